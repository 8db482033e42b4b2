// The function app on its Flex Consumption plan, and its settings. App Service
// Authentication follows in authentication.bicep: it needs the Entra registration,
// which needs the host name of this app.

import { Cloud } from 'clouds.bicep'

@description('Name of the function app.')
param name string

@description('Name of the plan.')
param planName string

@description('Region of both.')
param location string

@description('Tags of both.')
param tags object

@description('Resource id of the managed identity that the app runs as.')
param identityId string

@description('Client id of that identity.')
param identityClientId string

@description('Blob endpoint of the host\'s storage account.')
param blobEndpoint string

@description('Queue endpoint of the host\'s storage account.')
param queueEndpoint string

@description('Container that the app package is deployed to.')
param packageContainerUrl string

@description('Where the host sends telemetry.')
param applicationInsightsConnectionString string

@description('Memory of each instance in MB.')
param instanceMemoryMB int

@description('Number of instances that the app may scale out to.')
param maximumInstanceCount int

@description('Number of instances that are kept running.')
param alwaysReadyInstances int

@description('Whether callers may leave out the system key.')
param anonymousWebhook bool

@description('Name of the cloud, as the handler knows it.')
param cloudName string

@description('Identity endpoints of the cloud.')
param endpoints Cloud

@description('Audience of the managed identity\'s token that proves the app to Entra.')
param tokenExchangeAudience string

@description('Scope that MCP clients ask for, in full.')
param apiScope string

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true // Linux
  }
}

resource site 'Microsoft.Web/sites@2024-11-01' = {
  name: name
  location: location
  // azd deploys the service of azure.yaml to the resource with this tag, which must
  // be the only one.
  tags: union(tags, { 'azd-service-name': 'mcp' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      alwaysOn: false // This plan has always-ready instances instead.
      minTlsVersion: '1.2'
    }
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      // Azure accepts other versions too, but then never starts the app.
      runtime: {
        name: 'custom'
        version: '1.0'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReadyInstances == 0 ? [] : [
          { name: 'http', instanceCount: alwaysReadyInstances }
        ]
      }
    }
  }

  // azd deploys with an Entra token, so publishing passwords are not needed.
  resource ftpPassword 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource scmPassword 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union({
      // The Functions host's storage, reached as the managed identity.
      AzureWebJobsStorage__credential: 'managedidentity'
      AzureWebJobsStorage__clientId: identityClientId
      AzureWebJobsStorage__blobServiceUri: blobEndpoint
      AzureWebJobsStorage__queueServiceUri: queueEndpoint

      // The host's telemetry, sent as the managed identity.
      APPLICATIONINSIGHTS_CONNECTION_STRING: applicationInsightsConnectionString
      APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'

      // Read by App Service Authentication and by the handler: the scope in the
      // protected resource metadata, the tenants whose users may call, and the
      // identity whose token takes the place of a client secret.
      WEBSITE_AUTH_PRM_DEFAULT_WITH_SCOPES: apiScope
      WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId
      OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID: identityClientId

      // Read by the handler: where it exchanges tokens and calls Microsoft Graph.
      TokenExchangeAudience: tokenExchangeAudience
      AZURE_CLOUD: cloudName
      AZURE_AUTHORITY_HOST: endpoints.authority
      MICROSOFT_GRAPH_ENDPOINT: endpoints.graphEndpoint
    }, anonymousWebhook ? {
      // Takes precedence over host.json.
      AzureFunctionsJobHost__extensions__mcp__system__webhookAuthorizationLevel: 'Anonymous'
    } : {})
  }
}

@description('Name of the function app, once its settings are in place.')
output name string = site.name

@description('Host name that the platform gave the app.')
output defaultHostName string = site.properties.defaultHostName
