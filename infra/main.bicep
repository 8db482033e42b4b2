targetScope = 'subscription'

import { clouds } from 'clouds.bicep'

@minLength(1)
@maxLength(64)
@description('Name of the azd environment. Resource names are derived from it.')
param environmentName string

@minLength(1)
@description('Region of all resources. It must offer the Flex Consumption plan.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Comma-separated client ids of the MCP clients that may call the server without asking the user for consent.')
param preAuthorizedClientIds string = ''

@description('Comma-separated delegated permissions of Microsoft Graph that the tools need.')
param delegatedPermissions string = 'User.Read'

@description('Application ID URI of the server in Entra. Default: api://<tenant id>/<function app name>.')
param identifierUri string?

@description('Service management reference of the Entra registration, for organizations that require one.')
param serviceManagementReference string?

@description('Cloud whose identity endpoints are used. Default: the cloud that is deployed to. Name AzureUSGovernmentDoD for a DoD tenant.')
param cloud ('AzureCloud' | 'AzureUSGovernment' | 'AzureUSGovernmentDoD' | 'AzureChinaCloud')?

@description('Audience of the federated credential. Default: the one of the cloud.')
param tokenExchangeAudience string?

@allowed([512, 2048, 4096])
@description('Memory of each instance in MB. CPU is allotted in proportion.')
param instanceMemoryMB int = 2048

@minValue(1)
@maxValue(1000)
@description('Number of instances that the app may scale out to. Some regions require at least 40.')
param maximumInstanceCount int = 100

@minValue(0)
@description('Number of instances that are kept running, and billed, to avoid cold starts.')
param alwaysReadyInstances int = 0

@description('Whether callers may leave out the mcp_extension system key. They must sign in all the same.')
param anonymousWebhook bool = false

@description('Object id of a user who may read the app\'s storage to debug it. Default: nobody.')
param principalId string?

@description('Name of the resource group. Default: rg-<environment>.')
param resourceGroupName string?

@description('Name of the function app, which is also the first label of its host name. Default: derived.')
param functionAppName string?

@description('Name of the Flex Consumption plan. Default: derived.')
param appServicePlanName string?

@description('Name of the user-assigned managed identity. Default: derived.')
param managedIdentityName string?

@description('Name of the storage account. Default: derived.')
param storageAccountName string?

@description('Name of the Log Analytics workspace. Default: derived.')
param logAnalyticsName string?

@description('Name of the Application Insights component. Default: derived.')
param applicationInsightsName string?

@description('Name of the Entra registration, which users read when they consent. Default: MCP server (<environment>).')
param entraApplicationName string?

var suffix = uniqueString(subscription().id, environmentName, location)
var tags = { 'azd-env-name': environmentName }
var appName = functionAppName ?? 'func-mcp-${suffix}'

var cloudName = cloud ?? environment().name
var endpoints = clouds[cloudName]
var issuer = '${endpoints.authority}/${tenant().tenantId}/v2.0'
var exchangeAudience = tokenExchangeAudience ?? endpoints.tokenExchangeAudience

// Entra accepts a URI only if it names the tenant, the app or a verified domain.
// The app's id is not known before the app exists.
var applicationIdUri = identifierUri ?? 'api://${tenant().tenantId}/${appName}'
var scopeName = 'user_impersonation'
var permissions = split(replace(delegatedPermissions, ' ', ''), ',')
var clientIds = empty(preAuthorizedClientIds) ? [] : split(replace(preAuthorizedClientIds, ' ', ''), ',')

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: resourceGroupName ?? 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  scope: group
  params: {
    name: managedIdentityName ?? 'id-mcp-${suffix}'
    location: location
    tags: tags
  }
}

module storage 'storage.bicep' = {
  scope: group
  params: {
    name: storageAccountName ?? 'st${suffix}'
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
    readerPrincipalId: principalId
  }
}

module monitoring 'monitoring.bicep' = {
  scope: group
  params: {
    logAnalyticsName: logAnalyticsName ?? 'log-${suffix}'
    applicationInsightsName: applicationInsightsName ?? 'appi-${suffix}'
    location: location
    tags: tags
    appPrincipalId: identity.outputs.principalId
  }
}

module functionApp 'function-app.bicep' = {
  scope: group
  params: {
    name: appName
    planName: appServicePlanName ?? 'plan-${suffix}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    packageContainerUrl: storage.outputs.packageContainerUrl
    applicationInsightsConnectionString: monitoring.outputs.connectionString
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    anonymousWebhook: anonymousWebhook
    cloudName: cloudName
    endpoints: endpoints
    tokenExchangeAudience: exchangeAudience
    apiScope: '${applicationIdUri}/${scopeName}'
  }
}

module entraApp 'entra-app.bicep' = {
  scope: group
  params: {
    uniqueName: appName
    displayName: entraApplicationName ?? 'MCP server (${environmentName})'
    serviceManagementReference: serviceManagementReference
    identifierUri: applicationIdUri
    scopeName: scopeName
    // The host name is the platform's answer: its suffix differs by cloud, and by
    // app where unique default host names are on.
    redirectUri: 'https://${functionApp.outputs.defaultHostName}/.auth/login/aad/callback'
    preAuthorizedClientIds: clientIds
    delegatedPermissions: permissions
    issuer: issuer
    tokenExchangeAudience: exchangeAudience
    managedIdentityPrincipalId: identity.outputs.principalId
  }
}

module authentication 'authentication.bicep' = {
  scope: group
  params: {
    functionAppName: functionApp.outputs.name
    clientId: entraApp.outputs.clientId
    identifierUri: applicationIdUri
    issuer: issuer
    preAuthorizedClientIds: clientIds
    graphScopes: map(permissions, permission => '${endpoints.graphEndpoint}/${permission}')
  }
}

@description('Region of the resources.')
output AZURE_LOCATION string = location

@description('Tenant whose users may call the server.')
output AZURE_TENANT_ID string = tenant().tenantId

@description('Resource group that holds everything but the Entra registration.')
output AZURE_RESOURCE_GROUP_NAME string = group.name

@description('Name of the function app, by the name of the azd service.')
output SERVICE_MCP_NAME string = functionApp.outputs.name

@description('Host name of the server.')
output SERVICE_MCP_DEFAULT_HOSTNAME string = functionApp.outputs.defaultHostName

@description('Name of the function app.')
output AZURE_FUNCTION_NAME string = functionApp.outputs.name

@description('Where telemetry is sent. It is no secret: only the managed identity may write there.')
output APPLICATIONINSIGHTS_CONNECTION_STRING string = monitoring.outputs.connectionString

@description('Client id of the Entra registration.')
output ENTRA_APPLICATION_ID string = entraApp.outputs.clientId

@description('Object id of the Entra registration.')
output ENTRA_APPLICATION_OBJECT_ID string = entraApp.outputs.objectId

@description('Object id of the registration\'s service principal.')
output ENTRA_SERVICE_PRINCIPAL_ID string = entraApp.outputs.servicePrincipalId

@description('Application ID URI of the server.')
output ENTRA_IDENTIFIER_URI string = applicationIdUri

@description('Whether callers must sign in. They always must.')
output AUTH_ENABLED bool = true

@description('Scopes that the server exposes.')
output CONFIGURED_SCOPES string = scopeName

@description('Client ids of the MCP clients that need no consent to call the server.')
output PRE_AUTHORIZED_CLIENT_IDS string = preAuthorizedClientIds

@description('Redirect URIs of the Entra registration.')
output CONFIGURED_REDIRECT_URIS string[] = entraApp.outputs.redirectUris

@description('Redirect URI of App Service Authentication.')
output AUTH_REDIRECT_URI string = entraApp.outputs.redirectUris[0]
