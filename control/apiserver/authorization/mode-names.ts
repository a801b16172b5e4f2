/** The values of `--authorization-mode`. What they mean: `modes.ts`. Source: kubernetes `pkg/kubeapiserver/authorizer/modes/modes.go`. */
export const authorizationModes = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC'] as const;

/** One word of `--authorization-mode`. */
export type AuthorizationMode = (typeof authorizationModes)[number];
