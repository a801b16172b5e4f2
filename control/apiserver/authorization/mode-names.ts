/**
 * The values of `--authorization-mode`. `modes.ts` creates their authorizers. Source: kubernetes
 * `pkg/kubeapiserver/authorizer/modes/modes.go`.
 */
export const authorizationModes = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC'] as const;

/** One value of `--authorization-mode`. */
export type AuthorizationMode = (typeof authorizationModes)[number];
