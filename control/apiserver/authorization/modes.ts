/**
 * `--authorization-mode`: which authorizers are asked, in which order, and what of the cluster they follow.
 *
 * Source: kubernetes `pkg/kubeapiserver/authorizer/{modes,config,reload}.go`.
 */
import type { CacheFollower } from '../cache/cache-feed.ts';
import { type Authorizer, alwaysAllow, alwaysDeny, privilegedGroups, union } from './authorization.ts';
import { rbacAuthorizer } from './rbac/rbac-authorizer.ts';
import { RoleGuard } from './rbac/role-guard.ts';
import { type RbacKind, RoleIndex } from './rbac/role-index.ts';

export const authorizationModes = ['AlwaysAllow', 'AlwaysDeny', 'RBAC'] as const;
export type AuthorizationMode = (typeof authorizationModes)[number];

/** The authorizers of one API server. */
export interface Authorization {
  authorizer: Authorizer;
  /** For the strategies of roles and bindings, which ask whatever the mode is. */
  roles: RoleGuard;
  /** What has to be told of the stored objects, by storage prefix, for {@link authorizer} and {@link roles} to know them. */
  followers: ReadonlyMap<string, CacheFollower>;
}

/** @param modes asked in this order, after the group `system:masters`, which may do everything */
export function createAuthorization(modes: readonly AuthorizationMode[]): Authorization {
  const index = new RoleIndex();
  const byMode: Record<AuthorizationMode, () => Authorizer> = {
    AlwaysAllow: () => alwaysAllow,
    AlwaysDeny: () => alwaysDeny,
    RBAC: () => rbacAuthorizer(index),
  };
  const authorizer = union([privilegedGroups, ...modes.map((mode) => byMode[mode]())]);
  const kinds: readonly RbacKind[] = ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'];
  return {
    authorizer,
    roles: new RoleGuard(authorizer, index),
    followers: new Map(kinds.map((kind) => [`/registry/${kind}`, followerOf(index, kind)])),
  };
}

const followerOf = (index: RoleIndex, kind: RbacKind): CacheFollower => ({
  replaced(objects) {
    index.clear(kind);
    for (const { object } of objects) index.apply(kind, undefined, object);
  },
  changed: ({ previous, current }) => index.apply(kind, previous?.object, current?.object),
});
