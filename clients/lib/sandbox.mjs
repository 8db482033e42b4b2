/** A sandbox that runs as in Azure: with sign-in and system key. */
export const azure = sandbox('AZURE');

/** A sandbox that runs as `func start` does: without either. */
export const local = sandbox('LOCAL');

/** As {@link azure}, with the tools of the conformance suite in place of the app's. */
export const conformance = sandbox('CONFORMANCE');

function sandbox(name) {
  const value = (key) => process.env[`SANDBOX_${name}_${key}`];
  return {
    /** The URL of the MCP server. */
    url: value('URL'),

    /** What shows the Functions host that the caller may use the MCP server. */
    keyHeader: { 'x-functions-key': value('KEY') },

    /** What shows App Service Authentication who calls. */
    async tokenHeader(person) {
      const response = await fetch(`${value('SWITCHES')}/token/${person}`);
      if (!response.ok) throw new Error(`no token for ${person}: ${await response.text()}`);
      return { Authorization: `Bearer ${await response.text()}` };
    },
  };
}
