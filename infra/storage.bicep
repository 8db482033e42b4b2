// The storage account of the Functions host, and the role assignments for it. It
// has no keys: every caller needs an Entra token.

@description('Name of the storage account.')
param name string

@description('Region of the account.')
param location string

@description('Tags of the account.')
param tags object

@description('Object id of the app\'s managed identity.')
param appPrincipalId string

@description('Object id of a user who may read blobs and queues, if any.')
param readerPrincipalId string?

// Built-in roles: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles/storage
var blobDataOwner = 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
var blobDataReader = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
var queueDataContributor = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
var queueDataReader = '19e7f393-937e-4f77-808e-94535e297925'

var packageContainerName = 'app-package'

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: 'Standard_LRS' }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }

  resource blobs 'blobServices' = {
    name: 'default'

    resource packages 'containers' = {
      name: packageContainerName
    }
  }
}

// The host creates containers for its keys and leases, and reads the app package.
// Microsoft requires Owner: Contributor does not suffice for all of that.
resource appOwnsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, appPrincipalId, blobDataOwner)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataOwner)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// The MCP extension creates and polls a queue for each instance.
resource appUsesQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: account
  name: guid(account.id, appPrincipalId, queueDataContributor)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataContributor)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// Without keys, not even the subscription's owner can read the data. A user who
// debugs may read it, but not change it.
resource userReadsBlobs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (readerPrincipalId != null) {
  scope: account
  name: guid(account.id, readerPrincipalId ?? '', blobDataReader)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', blobDataReader)
    principalId: readerPrincipalId ?? ''
    principalType: 'User'
  }
}

resource userReadsQueues 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (readerPrincipalId != null) {
  scope: account
  name: guid(account.id, readerPrincipalId ?? '', queueDataReader)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueDataReader)
    principalId: readerPrincipalId ?? ''
    principalType: 'User'
  }
}

@description('Blob endpoint of the account.')
output blobEndpoint string = account.properties.primaryEndpoints.blob

@description('Queue endpoint of the account.')
output queueEndpoint string = account.properties.primaryEndpoints.queue

@description('Container that the app package is deployed to.')
output packageContainerUrl string = '${account.properties.primaryEndpoints.blob}${packageContainerName}'
