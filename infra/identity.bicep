// The managed identity of the app. It accesses storage and telemetry, and replaces
// the client secret of the Entra registration.

@description('Name of the managed identity.')
param name string

@description('Region of the identity.')
param location string

@description('Tags of the identity.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

@description('Resource id, by which the function app is given the identity.')
output id string = identity.id

@description('Client id, by which a program requests a token of this identity.')
output clientId string = identity.properties.clientId

@description('Object id, which role assignments and the federated credential refer to.')
output principalId string = identity.properties.principalId
