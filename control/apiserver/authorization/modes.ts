/**
 * `--authorization-mode`: the authorizers, their order, and the objects that they watch.
 *
 * Source: kubernetes `pkg/kubeapiserver/authorizer/{modes,config,reload}.go`.
 */
import type { KubeObject } from '#api/meta.ts';
import type { PersistentVolume, Pod } from '#api/types.generated.ts';
import type { ReviewDeps } from '#client/review-webhook.ts';
import type { CacheFollower } from '../cache/cache-feed.ts';
import { type Authorizer, alwaysAllow, alwaysDeny, privilegedGroups, union } from './authorization.ts';
import type { AuthorizationMode } from './mode-names.ts';
import { nodeAuthorizer } from './node/node-authorizer.ts';
import { NodeGraph } from './node/node-graph.ts';
import { clusterRoles } from './rbac/policy/cluster-roles.ts';
import { ruleOf } from './rbac/policy/policy-text.ts';
import { rbacAuthorizer } from './rbac/rbac-authorizer.ts';
import { RoleGuard } from './rbac/role-guard.ts';
import { type RbacKind, RoleIndex } from './rbac/role-index.ts';
import { type WebhookSettings, webhookAuthorizer } from './webhook/webhook-authorizer.ts';

/** The authorizers of one API server. */
export interface Authorization {
  authorizer: Authorizer;
  /**
   * What anonymous requests may do. `asked`: the authorizers are asked about `system:anonymous`. `healthOnly`: only health and version, as
   * upstream, because with AlwaysAllow an anonymous user could do everything.
   */
  anonymous: 'asked' | 'healthOnly';
  /** For the strategies of roles and bindings, which check escalation in every mode. */
  roles: RoleGuard;
  /**
   * Listeners by storage prefix: they must be called for every change of these objects, because {@link authorizer} and {@link roles} index
   * them.
   */
  followers: ReadonlyMap<string, CacheFollower>;
}

/** One authorizer of the chain. */
export type AuthorizerSpec = AuthorizationMode | WebhookSettings;

/** An authorization whose chain of authorizers may be replaced. */
export interface ReplaceableAuthorization extends Authorization {
  /** @throws Error if authorizers other than webhooks are added or removed: what they watch is decided at the start */
  replace(chain: readonly AuthorizerSpec[]): void;
}

/**
 * @param chain the authorizers in their order, after the check for `system:masters`
 * @param webhooks needed if the chain has webhooks
 */
export function createAuthorization(chain: readonly AuthorizerSpec[], webhooks?: ReviewDeps): ReplaceableAuthorization {
  const index = new RoleIndex();
  const graph = new NodeGraph();
  const byMode: Record<AuthorizationMode, () => Authorizer> = {
    AlwaysAllow: () => alwaysAllow,
    AlwaysDeny: () => alwaysDeny,
    Node: () => nodeAuthorizer(graph, (clusterRoles['system:node'] ?? []).map(ruleOf)),
    RBAC: () => rbacAuthorizer(index),
  };
  const authorizerOf = (spec: AuthorizerSpec): Authorizer => {
    if (typeof spec === 'string') return byMode[spec]();
    if (webhooks === undefined) throw new Error('webhooks need a clock');
    return webhookAuthorizer(spec, webhooks);
  };
  const modesOf = (specs: readonly AuthorizerSpec[]): string =>
    specs
      .filter((spec) => typeof spec === 'string')
      .sort()
      .join();
  const made = (specs: readonly AuthorizerSpec[]): Authorizer => union([privilegedGroups, ...specs.map(authorizerOf)]);
  let current = made(chain);
  const authorizer: Authorizer = {
    authorize: (attributes) => current.authorize(attributes),
    rules: (user, namespace) => current.rules(user, namespace),
  };
  const kinds: readonly RbacKind[] = ['roles', 'clusterroles', 'rolebindings', 'clusterrolebindings'];
  return {
    authorizer,
    anonymous: chain.includes('AlwaysAllow') ? 'healthOnly' : 'asked',
    roles: new RoleGuard(authorizer, index),
    followers: new Map([
      ...kinds.map((kind): [string, CacheFollower] => [`/registry/${kind}`, followerOf(index, kind)]),
      ...(chain.includes('Node') ? nodeFollowers(graph) : []),
    ]),
    replace(next) {
      if (modesOf(next) !== modesOf(chain))
        throw new Error(`authorizers: the types other than Webhook must stay as they were at the start: ${modesOf(chain)}`);
      current = made(next);
    },
  };
}

const followerOf = (index: RoleIndex, kind: RbacKind): CacheFollower => ({
  replaced(objects) {
    index.clear(kind);
    for (const { object } of objects) index.apply(kind, undefined, object);
  },
  changed: ({ previous, current }) => index.apply(kind, previous?.object, current?.object),
});

function nodeFollowers(graph: NodeGraph): [storagePrefix: string, CacheFollower][] {
  const follower = (
    kind: Parameters<NodeGraph['clear']>[0],
    apply: (previous: KubeObject | undefined, current: KubeObject | undefined) => void,
  ): CacheFollower => ({
    replaced(objects) {
      graph.clear(kind);
      for (const { object } of objects) apply(undefined, object);
    },
    changed: ({ previous, current }) => apply(previous?.object, current?.object),
  });
  // Each prefix has objects of one kind only, and the cache feed has checked their shape.
  return [
    ['/registry/pods', follower('pod', (previous, current) => graph.applyPod(previous as Pod, current as Pod))],
    [
      '/registry/persistentvolumes',
      follower('persistentvolume', (previous, current) =>
        graph.applyVolume(previous as PersistentVolume, current as PersistentVolume),
      ),
    ],
    ...(['resourceslice', 'volumeattachment'] as const).map((kind): [string, CacheFollower] => [
      `/registry/${kind}s`,
      follower(kind, (previous, current) => graph.applyOwned(kind, previous, current)),
    ]),
  ];
}
