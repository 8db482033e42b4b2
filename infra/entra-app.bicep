// The server's registration in Entra: the API that MCP clients request tokens for,
// the web app that users consent to, and the client that exchanges their tokens. It
// has no secret: it authenticates with the managed identity.

extension microsoftGraphV1

@description('Key of the registration, by which later deployments find it.')
param uniqueName string

@description('Name that users read when they consent.')
param displayName string

@description('Service management reference, for organizations that require one.')
param serviceManagementReference string?

@description('Application ID URI, the prefix of the scope.')
param identifierUri string

@description('Scope that the server exposes.')
param scopeName string

@description('Redirect URI of App Service Authentication.')
param redirectUri string

@description('Client ids of the MCP clients that need no consent to call the server.')
param preAuthorizedClientIds string[]

@description('Delegated permissions of Microsoft Graph that the tools need.')
param delegatedPermissions string[]

@description('Issuer of the managed identity\'s tokens.')
param issuer string

@description('Audience of the managed identity\'s tokens.')
param tokenExchangeAudience string

@description('Object id of the managed identity.')
param managedIdentityPrincipalId string

var scopeId = guid(uniqueName, scopeName)

resource microsoftGraph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000' // the same in every cloud
}

resource registration 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  serviceManagementReference: serviceManagementReference
  signInAudience: 'AzureADMyOrg'
  identifierUris: [identifierUri]
  api: {
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: scopeId
        value: scopeName
        type: 'User'
        isEnabled: true
        userConsentDisplayName: 'Use the MCP server'
        userConsentDescription: 'Lets the client call the tools of the MCP server as you.'
        adminConsentDisplayName: 'Use the MCP server'
        adminConsentDescription: 'Lets the client call the tools of the MCP server as the signed-in user.'
      }
    ]
    preAuthorizedApplications: map(preAuthorizedClientIds, clientId => {
      appId: clientId
      delegatedPermissionIds: [scopeId]
    })
  }
  web: {
    redirectUris: [redirectUri]
    implicitGrantSettings: {
      enableIdTokenIssuance: true // App Service Authentication asks for "code id_token".
      enableAccessTokenIssuance: false
    }
  }
  requiredResourceAccess: [
    {
      resourceAppId: microsoftGraph.appId
      resourceAccess: map(
        filter(microsoftGraph.oauth2PermissionScopes, permission => contains(delegatedPermissions, permission.value)),
        permission => { id: permission.id, type: 'Scope' }
      )
    }
  ]
}

resource servicePrincipal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: registration.appId
}

resource managedIdentity 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = {
  name: '${registration.uniqueName}/managed-identity'
  description: 'The managed identity of the function app, in place of a client secret.'
  issuer: issuer
  subject: managedIdentityPrincipalId
  audiences: [tokenExchangeAudience]
}

@description('Client id of the registration.')
output clientId string = registration.appId

@description('Object id of the registration.')
output objectId string = registration.id

@description('Object id of the service principal.')
output servicePrincipalId string = servicePrincipal.id

@description('Redirect URIs of the registration.')
output redirectUris string[] = [redirectUri]
