//! Every error of Entra ID, the managed identity endpoint and Microsoft Graph: what the user reads, what the operator
//! reads, and how many requests the handler makes.

use sandbox::faults::{Effect, Endpoint, Fault};

use crate::support::{App, wait_until};

/// An error, and its expected consequences.
struct Case {
    at: Endpoint,
    effect: Effect,
    /// The outcome in the log.
    class: &'static str,
    /// Who must act, in the log.
    remedy: &'static str,
    /// A part of what the user reads.
    user: &'static str,
    /// A part of what the operator reads.
    detail: String,
    /// Requests to the managed identity endpoint, the token endpoint and Graph.
    requests: (u64, u64, u64),
}

fn entra(code: u32, class: &'static str, remedy: &'static str, user: &'static str) -> Case {
    Case {
        at: Endpoint::Token,
        effect: Effect::EntraError { code },
        class,
        remedy,
        user,
        detail: format!("AADSTS{code}"),
        // A refused assertion is renewed, and the exchange is tried once more.
        requests: if class == "federated_credential" {
            (2, 2, 0)
        } else {
            (1, 1, 0)
        },
    }
}

fn status(
    at: Endpoint,
    code: u16,
    class: &'static str,
    remedy: &'static str,
    user: &'static str,
    requests: (u64, u64, u64),
) -> Case {
    let detail = match at {
        Endpoint::ManagedIdentity if code != 400 => "managed identity".into(),
        _ => format!("status {code}"),
    };
    Case {
        at,
        effect: Effect::Status {
            code,
            retry_after: None,
        },
        class,
        remedy,
        user,
        detail,
        requests,
    }
}

fn broken(at: Endpoint, effect: Effect, class: &'static str, requests: (u64, u64, u64)) -> Case {
    Case {
        at,
        effect,
        class,
        remedy: "wait",
        user: "try again",
        detail: String::new(),
        requests,
    }
}

fn cases() -> Vec<Case> {
    use Endpoint::{Graph, ManagedIdentity, Token};
    vec![
        entra(
            65001,
            "consent_required",
            "user",
            "/.auth/login/aad?post_login_redirect_uri=",
        ),
        entra(50076, "interaction_required", "user", "sign in again"),
        entra(50079, "interaction_required", "user", "sign in again"),
        entra(50158, "interaction_required", "user", "sign in again"),
        entra(70043, "interaction_required", "user", "sign in again"),
        entra(
            53003,
            "blocked_by_policy",
            "user",
            "A policy of your organisation",
        ),
        entra(50055, "interaction_required", "user", "sign in again"),
        entra(50078, "interaction_required", "user", "sign in again"),
        entra(50133, "interaction_required", "user", "sign in again"),
        entra(50173, "interaction_required", "user", "sign in again"),
        entra(700082, "interaction_required", "user", "sign in again"),
        entra(
            53002,
            "blocked_by_policy",
            "user",
            "A policy of your organisation",
        ),
        entra(
            53004,
            "blocked_by_policy",
            "user",
            "A policy of your organisation",
        ),
        entra(
            530032,
            "blocked_by_policy",
            "user",
            "A policy of your organisation",
        ),
        entra(
            53000,
            "device_not_allowed",
            "user",
            "a device that it manages",
        ),
        entra(
            53001,
            "device_not_allowed",
            "user",
            "a device that it manages",
        ),
        entra(
            530003,
            "device_not_allowed",
            "user",
            "a device that it manages",
        ),
        entra(
            50057,
            "account_disabled",
            "user",
            "Your account is disabled",
        ),
        entra(50034, "unknown_account", "user", "invite yours"),
        entra(50105, "not_assigned", "user", "assign you"),
        entra(500133, "token_expired", "user", "Your sign-in has expired"),
        entra(500131, "wrong_audience", "operator", "made for another app"),
        entra(50013, "wrong_audience", "operator", "made for another app"),
        entra(7000114, "app_only_caller", "user", "Sign in as a user"),
        entra(
            700211,
            "federated_credential",
            "operator",
            "prove its identity",
        ),
        entra(
            700213,
            "federated_credential",
            "operator",
            "prove its identity",
        ),
        entra(
            7002138,
            "federated_credential",
            "operator",
            "prove its identity",
        ),
        entra(
            70021,
            "federated_credential",
            "operator",
            "prove its identity",
        ),
        entra(
            700024,
            "federated_credential",
            "operator",
            "prove its identity",
        ),
        entra(
            700027,
            "federated_credential",
            "operator",
            "prove its identity",
        ),
        entra(
            7000218,
            "federated_credential",
            "operator",
            "prove its identity",
        ),
        entra(
            700016,
            "wrong_tenant",
            "operator",
            "not set up in your organisation",
        ),
        entra(50020, "unknown_account", "user", "invite yours"),
        entra(90072, "unknown_account", "user", "invite yours"),
        entra(50196, "unavailable", "wait", "Entra ID is not answering"),
        status(
            Token,
            429,
            "unavailable",
            "wait",
            "Entra ID is not answering",
            (1, 1, 0),
        ),
        status(
            Token,
            500,
            "unavailable",
            "wait",
            "Entra ID is not answering",
            (1, 2, 0),
        ),
        status(
            Token,
            503,
            "unavailable",
            "wait",
            "Entra ID is not answering",
            (1, 2, 0),
        ),
        broken(Token, Effect::Reset, "unavailable", (1, 2, 0)),
        broken(Token, Effect::Malformed, "unavailable", (1, 1, 0)),
        broken(Token, Effect::Empty, "unavailable", (1, 1, 0)),
        broken(Token, Effect::Html, "unavailable", (1, 2, 0)),
        broken(Token, Effect::Oversized, "unavailable", (1, 1, 0)),
        status(
            ManagedIdentity,
            400,
            "managed_identity",
            "operator",
            "no working identity",
            (1, 0, 0),
        ),
        status(
            ManagedIdentity,
            500,
            "unavailable",
            "wait",
            "not answering",
            (2, 0, 0),
        ),
        broken(ManagedIdentity, Effect::Reset, "unavailable", (2, 0, 0)),
        status(
            Graph,
            401,
            "graph_unauthorized",
            "operator",
            "did not accept the app's token",
            // A refused token is exchanged once more.
            (1, 2, 2),
        ),
        status(
            Graph,
            403,
            "graph_forbidden",
            "operator",
            "refuses this",
            (1, 1, 1),
        ),
        status(
            Graph,
            404,
            "graph_not_found",
            "user",
            "has nothing there",
            (1, 1, 1),
        ),
        status(
            Graph,
            429,
            "graph_unavailable",
            "wait",
            "Microsoft Graph is not answering",
            (1, 1, 1),
        ),
        status(
            Graph,
            503,
            "graph_unavailable",
            "wait",
            "Microsoft Graph is not answering",
            (1, 1, 2),
        ),
        broken(Graph, Effect::Reset, "graph_unavailable", (1, 1, 2)),
        broken(Graph, Effect::Malformed, "graph_unreadable", (1, 1, 1)),
        broken(Graph, Effect::Empty, "graph_unreadable", (1, 1, 1)),
        broken(Graph, Effect::Oversized, "graph_unavailable", (1, 1, 1)),
    ]
}

#[tokio::test]
async fn every_refusal_reaches_the_user_and_the_operator_in_the_right_words() {
    for case in cases() {
        let name = format!("{:?} {:?}", case.at, case.effect);
        let app = App::start().await;
        app.fail(case.at, case.effect);
        let answer = app.hello("ada").await;
        assert!(
            answer.is_error && answer.structured.is_none(),
            "{name}: {answer:?}"
        );
        assert!(answer.text.contains(case.user), "{name}: {}", answer.text);

        let line = app.log_line(case.class).await;
        assert!(
            line.contains(&format!("remedy=\"{}\"", case.remedy)),
            "{name}: {line}"
        );
        assert!(line.contains(&case.detail), "{name}: {line}");

        let asked = app.requests();
        let requests = (
            asked.managed_identity.total,
            asked.token.total,
            asked.graph.total,
        );
        assert_eq!(requests, case.requests, "{name}");
    }
}

#[tokio::test]
async fn a_user_who_has_not_consented_gets_the_link_and_is_greeted_after_consenting() {
    let app = App::start().await;
    let alan = app.client("alan").await;
    let answer = app.hello_from(&alan).await;
    let link = app.sandbox.mcp_url().replace(
        "/runtime/webhooks/mcp",
        "/.auth/login/aad?post_login_redirect_uri=",
    );
    assert!(answer.text.contains(&link), "{}", answer.text);

    // A model repeats a refused call at once: that must not cause another request to Entra ID.
    app.hello_from(&alan).await;
    assert_eq!(app.requests().token.total, 1);

    let directory = app.sandbox.cloud().directory();
    directory.record_consent(&directory.person("alan").unwrap());
    let greeted = async || !app.hello_from(&alan).await.is_error;
    wait_until(greeted).await;
}

#[tokio::test]
async fn a_wait_that_fits_into_the_call_is_waited_for() {
    let app = App::start().await;
    for at in [Endpoint::Token, Endpoint::Graph] {
        let effect = Effect::Status {
            code: 429,
            retry_after: Some(1),
        };
        app.add(Fault::new(at, effect).times(1));
    }
    assert!(!app.hello("ada").await.is_error);
}

#[tokio::test]
async fn a_wait_that_does_not_fit_is_told_to_the_user() {
    let app = App::start().await;
    let busy = Effect::Status {
        code: 429,
        retry_after: Some(120),
    };
    app.add(Fault::new(Endpoint::Token, busy.clone()).person("ada"));
    app.add(Fault::new(Endpoint::Graph, busy).person("grace"));
    let (ada, grace) = (app.hello("ada").await, app.hello("grace").await);
    assert_eq!(
        ada.text,
        "Entra ID is busy. Please try again in 120 seconds."
    );
    assert_eq!(
        grace.text,
        "Microsoft Graph is busy. Please try again in 120 seconds."
    );
    // Other users are served.
    assert!(!app.hello("user1").await.is_error);

    // Neither service gets another request for the two users before that.
    let asked = app.requests();
    for (person, service) in [("ada", "Entra ID"), ("grace", "Microsoft Graph")] {
        let answer = app.hello(person).await;
        let seconds = answer
            .text
            .strip_prefix(&format!("{service} is busy. Please try again in "))
            .and_then(|rest| rest.strip_suffix(" seconds."));
        let seconds: u64 = seconds
            .unwrap_or_else(|| panic!("{answer:?}"))
            .parse()
            .unwrap();
        assert!(seconds <= 120, "{seconds}");
    }
    assert_eq!(app.requests(), asked);
}

#[tokio::test]
async fn a_lasting_refusal_is_not_asked_for_again_at_once() {
    for code in [700213, 50105, 500131] {
        let app = App::start().await;
        app.fail(Endpoint::Token, Effect::EntraError { code });
        let ada = app.client("ada").await;
        let first = app.hello_from(&ada).await;
        let asked = app.requests();
        let again = app.hello_from(&ada).await;
        assert!(again.is_error && again == first, "{code}: {again:?}");
        assert_eq!(app.requests(), asked, "{code}");
    }
}

#[tokio::test]
async fn an_assertion_that_entra_refuses_is_renewed_and_the_user_is_greeted() {
    for code in [700024, 700027, 7000218] {
        let app = App::start().await;
        app.add(Fault::new(Endpoint::Token, Effect::EntraError { code }).times(1));
        assert!(!app.hello("ada").await.is_error, "{code}");
        let asked = app.requests();
        assert_eq!(
            (asked.managed_identity.total, asked.token.total),
            (2, 2),
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_token_that_graph_refuses_is_exchanged_once_more() {
    let app = App::start().await;
    let ada = app.client("ada").await;
    app.hello_from(&ada).await;
    app.sandbox.cloud().ledger().reset();
    let refused = Effect::Status {
        code: 401,
        retry_after: None,
    };
    app.add(Fault::new(Endpoint::Graph, refused).times(1));
    assert!(!app.hello_from(&ada).await.is_error);
    let asked = app.requests();
    assert_eq!((asked.token.total, asked.graph.total), (1, 2));
    // The new token is kept.
    assert!(!app.hello_from(&ada).await.is_error);
    assert_eq!(app.requests().token.total, 1);
}

#[tokio::test]
async fn an_assertion_whose_expiry_is_a_number_serves_as_well() {
    let app = App::start().await;
    app.fail(Endpoint::ManagedIdentity, Effect::NumericExpiry);
    assert!(!app.hello("ada").await.is_error);
}
