/**
 * Creates the default roles and bindings, and adds what is missing to existing ones, before the server serves other clients.
 *
 * Source: kubernetes `pkg/registry/rbac/rest/storage_rbac.go` (post-start hook `rbac/bootstrap-roles`).
 */
import { type KubeObject, keyOf, type New } from '#api/meta.ts';
import type { Client, ResourceClient } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { ServerLog } from '../../serving/server-log.ts';
import type { RbacPolicy } from './policy/default-policy.ts';
import { type Reconciliation, reconcileBinding, reconcileRole } from './reconcile.ts';

/** Upstream's values. */
const retryMs = 1000;
const maxTries = 30;

/** @throws Error if it does not succeed within half a minute, as upstream: no component works without its roles */
export async function bootstrapRoles(
  client: Client,
  policy: RbacPolicy,
  clock: Clock,
  log: ServerLog,
  signal: AbortSignal,
): Promise<void> {
  for (let attempt = 1; !signal.aborted; attempt++) {
    try {
      return await ensurePolicy(client, policy);
    } catch (error) {
      if (attempt >= maxTries) throw new Error('unable to initialize roles', { cause: error });
      log.warn({ err: error }, 'the default roles could not be brought in order; trying again');
      await sleep(clock, retryMs, signal);
    }
  }
}

/** Roles before the bindings that refer to them. */
async function ensurePolicy(client: Client, policy: RbacPolicy): Promise<void> {
  await ensureAll(client.resource('clusterroles.rbac.authorization.k8s.io'), policy.clusterRoles, reconcileRole);
  await ensureAll(client.resource('roles.rbac.authorization.k8s.io'), policy.roles, reconcileRole);
  await ensureAll(client.resource('clusterrolebindings.rbac.authorization.k8s.io'), policy.clusterRoleBindings, reconcileBinding);
  await ensureAll(client.resource('rolebindings.rbac.authorization.k8s.io'), policy.roleBindings, reconcileBinding);
}

/** In parallel: the store commits them together. */
async function ensureAll<T extends KubeObject>(
  resource: ResourceClient<T>,
  expected: readonly New<T>[],
  reconcile: (existing: T, expected: New<T>) => Reconciliation<T>,
): Promise<void> {
  const { items } = await resource.list();
  const existing = new Map(items.map((item) => [keyOf(item), item]));
  await Promise.all(expected.map((object) => ensure(resource, object, existing.get(keyOf(object)), reconcile)));
}

/** @throws ApiError of a conflict with another writer; the caller then retries */
async function ensure<T extends KubeObject>(
  resource: ResourceClient<T>,
  expected: New<T>,
  existing: T | undefined,
  reconcile: (existing: T, expected: New<T>) => Reconciliation<T>,
): Promise<void> {
  if (existing === undefined) return void (await resource.create(expected));
  const step = reconcile(existing, expected);
  switch (step.kind) {
    case 'none':
      return;
    case 'update':
      return void (await resource.update(step.object));
    case 'recreate': {
      const { namespace, name, uid } = existing.metadata;
      await resource.delete({ ...(namespace === undefined ? {} : { namespace }), name }, { preconditions: { uid } });
      await resource.create(expected);
    }
  }
}
