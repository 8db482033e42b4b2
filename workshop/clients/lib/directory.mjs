// The registrations in crates/sandbox/src/directory.

export const TENANT_ID = '5c9f2b1e-7d34-4e8a-9a61-0b8d3f6c2e15';

/** The client id of any MCP client that has none of its own. */
export const MCP_CLIENT = '3f0a6b58-c1e4-4d97-8b2a-5d7f90e3c146';

/** The client id of the MCP server. */
export const MCP_SERVER = '8e4d1c72-3b5f-4a09-b6e7-91c2d0a85f34';

/** The client id of the MCP server's managed identity. */
export const MANAGED_IDENTITY = '1b6f8d03-95ea-4c7b-a2d4-6e0c87f3b951';
