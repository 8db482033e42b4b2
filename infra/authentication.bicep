// App Service Authentication: every request needs a token of the Entra registration
// or a signed-in session, before it reaches the Functions host.

@description('Name of the function app. Its settings must be in place.')
param functionAppName string

@description('Client id of the Entra registration.')
param clientId string

@description('Application ID URI of the Entra registration.')
param identifierUri string

@description('Issuer of the tokens that are accepted.')
param issuer string

@description('Client ids of the MCP clients that may call.')
param preAuthorizedClientIds string[]

@description('Scopes of Microsoft Graph, in full, that users are asked to consent to when they sign in.')
param graphScopes string[]

resource site 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource authentication 'Microsoft.Web/sites/config@2024-11-01' = {
  parent: site
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
      runtimeVersion: '~1'
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
      redirectToProvider: 'azureactivedirectory'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          openIdIssuer: issuer
          clientId: clientId
          // Not a secret: by the setting's name, the platform knows that its value is the
          // client id of a managed identity, which replaces the secret.
          clientSecretSettingName: 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
        }
        login: {
          loginParameters: ['scope=openid profile email ${join(graphScopes, ' ')}']
        }
        validation: {
          // Tokens of version 2 carry the client id.
          allowedAudiences: [identifierUri, clientId]
          defaultAuthorizationPolicy: {
            // The app itself, for users who sign in to consent.
            allowedApplications: concat([clientId], preAuthorizedClientIds)
          }
        }
      }
    }
    login: {
      tokenStore: {
        enabled: true
      }
    }
  }
}
