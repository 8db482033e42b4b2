// The values that differ between Azure clouds. Every other file takes them from
// here, so that the trust configured in Entra and the handler's settings agree.
//
// Sources: "National clouds" and "Workload identity federation" (Microsoft Entra),
// "Microsoft Graph national cloud deployments".

@export()
@description('The identity endpoints of one Azure cloud. No URL ends with a slash.')
type Cloud = {
  @description('Where Entra signs users in and issues tokens.')
  authority: string

  @description('Root of Microsoft Graph, and the prefix of its scopes.')
  graphEndpoint: string

  @description('Audience of a managed identity\'s token that replaces a client secret.')
  tokenExchangeAudience: string
}

// The keys are the values of the app setting AZURE_CLOUD. All except
// AzureUSGovernmentDoD are also values of environment().name: the DoD regions
// belong to AzureUSGovernment, and differ only in Microsoft Graph.
@export()
@description('The supported clouds by name.')
var clouds = {
  AzureCloud: {
    #disable-next-line no-hardcoded-env-urls
    authority: 'https://login.microsoftonline.com'
    graphEndpoint: 'https://graph.microsoft.com'
    tokenExchangeAudience: 'api://AzureADTokenExchange'
  }
  AzureUSGovernment: {
    authority: 'https://login.microsoftonline.us'
    graphEndpoint: 'https://graph.microsoft.us'
    tokenExchangeAudience: 'api://AzureADTokenExchangeUSGov'
  }
  AzureUSGovernmentDoD: {
    authority: 'https://login.microsoftonline.us'
    graphEndpoint: 'https://dod-graph.microsoft.us'
    tokenExchangeAudience: 'api://AzureADTokenExchangeUSGov'
  }
  AzureChinaCloud: {
    // environment() returns login.chinacloudapi.cn, but the issuer in this cloud's
    // tokens is login.partner.microsoftonline.cn.
    authority: 'https://login.partner.microsoftonline.cn'
    graphEndpoint: 'https://microsoftgraph.chinacloudapi.cn'
    tokenExchangeAudience: 'api://AzureADTokenExchangeChina'
  }
}
