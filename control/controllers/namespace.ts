/**
 * Namespace controller: deletes the content of a namespace that is being deleted, then removes its finalizer.
 *
 * Terminating ──delete pods──▶ no pods left ──delete everything else──▶ nothing left ──▶ finalizer `kubernetes` removed
 *
 * Owns: -.  Watches: Namespace, APIService.  Writes: Namespace/status, Namespace/finalize; deletes everything in it.
 * Source: kubernetes `pkg/controller/namespace/deletion`; KEP-5080 (pods first).
 */
import { errorText } from '#api/error-text.ts';
import { toNumber } from '#api/int64.ts';
import type { KubeObject } from '#api/meta.ts';
import { rfc3339, sameJson } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { isNotFound } from '#api/status.ts';
import type { Namespace, NamespaceCondition, Pod } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done, requeueAfter } from '#client/controller.ts';
import { own, reads } from '#client/controller-runner.ts';
import { aggregatedResources, discoveryFailure } from './aggregated-resources.ts';
import { liveObject } from './live-object.ts';

const finalizer = 'kubernetes';
/** Time until content with finalizers is checked again. Upstream uses the same estimate. */
const finalizerEstimateMs = 15_000;

/**
 * The namespaced resources that are served now. When several versions or groups show the same stored objects, only one is listed. Resources
 * that cannot be deleted (metrics) are not stored, so they are skipped.
 */
const contentsOf = (catalog: ResourceCatalog): Resource[] =>
  catalog.all().filter((row) => row.announced && row.storedAs === undefined && isDeletable(row));

const isDeletable = ({ namespaced, verbs }: Resource): boolean => namespaced && verbs.includes('delete');

/** Makes the namespace controller. */
export const namespaceController = ({ client, catalog, caches, clock, log }: ControllerDeps): Controller => ({
  name: 'namespace',
  watches: [own('namespaces'), reads('apiservices.apiregistration.k8s.io')],
  concurrency: 10,

  async reconcile(name) {
    const cached = caches.cache('namespaces').get(name);
    if (cached?.metadata.deletionTimestamp === undefined) return done;
    const fresh = await liveObject(client, 'namespaces', { name });
    if (fresh?.metadata.deletionTimestamp === undefined || fresh.metadata.uid !== cached.metadata.uid) return done;
    if (!(fresh.spec?.finalizers ?? []).includes(finalizer)) return done;
    const namespace = await asTerminating(client, fresh);
    const elsewhere = await aggregatedResources(client, caches.cache('apiservices.apiregistration.k8s.io').list());
    const contents = [...contentsOf(catalog), ...elsewhere.resources.filter(isDeletable)];
    const remaining = await deleteContent(client, contents, name, clock.now());
    remaining.undiscovered = elsewhere.failing;
    const reported = await reportConditions(client, namespace, namespaceConditions(namespace, remaining, clock.now()));
    if (remaining.errors.length > 0)
      throw new AggregateError(remaining.errors, `namespace ${name}: ${remaining.errors.map(errorText).join('; ')}`);
    // Discovery of some groups fails, so the namespace may contain objects that we cannot see.
    if (elsewhere.failing.length > 0) throw new Error(`namespace ${name}: ${discoveryFailure(elsewhere.failing)}`);
    if (remaining.objects.length > 0) {
      log.debug({ namespace: name, remaining: remaining.objects.length }, 'the namespace is not yet empty');
      return requeueAfter(remaining.estimateMs / 2 + 1000);
    }
    await finalize(client, reported);
    return done;
  },
});

async function asTerminating(client: Client, namespace: Namespace): Promise<Namespace> {
  if (namespace.status?.phase === 'Terminating') return namespace;
  return await client
    .resource('namespaces')
    .updateStatus({ ...namespace, status: { ...namespace.status, phase: 'Terminating' } });
}

/** The content that a namespace still has. */
export interface RemainingContent {
  objects: { resource: Resource; object: KubeObject }[];
  errors: unknown[];
  /** Estimated time until the remaining content is deleted, in milliseconds. */
  estimateMs: number;
  /** Group versions whose discovery failed, so that their content is unknown. */
  undiscovered?: readonly string[];
}

async function deleteContent(
  client: Client,
  contents: readonly Resource[],
  namespace: string,
  nowMs: number,
): Promise<RemainingContent> {
  const pods = await deleteAll(
    client,
    contents.filter(({ id }) => id === 'pods'),
    namespace,
  );
  // Objects that pods use while they end (secrets, service accounts, network policies) stay until the last pod is deleted.
  const rest =
    pods.objects.length > 0 || pods.errors.length > 0
      ? pods
      : await deleteAll(
          client,
          contents.filter(({ id }) => id !== 'pods'),
          namespace,
        );
  return { ...rest, estimateMs: Math.max(0, ...rest.objects.map(({ object }) => estimateMs(object, nowMs))) };
}

async function deleteAll(
  client: Client,
  kinds: readonly Resource[],
  namespace: string,
): Promise<Pick<RemainingContent, 'objects' | 'errors'>> {
  const results = await Promise.allSettled(
    kinds.map(async (resource) => {
      const collection = client.of(resource);
      try {
        if ((await collection.list({ namespace })).items.length === 0) return [];
        await collection.deleteCollection({ namespace }, { propagationPolicy: 'Background' });
        return (await collection.list({ namespace })).items.map((object) => ({ resource, object }));
      } catch (error) {
        // The kind was removed meanwhile, so its objects cannot be seen any more.
        if (isNotFound(error)) return [];
        throw error;
      }
    }),
  );
  return {
    objects: results.flatMap((result) => (result.status === 'fulfilled' ? result.value : [])),
    errors: results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : [])),
  };
}

function estimateMs(object: KubeObject, nowMs: number): number {
  if ((object.metadata.finalizers ?? []).length > 0) return finalizerEstimateMs;
  if (object.kind !== 'Pod') return 0;
  const graceMs = toNumber((object as Pod).spec.terminationGracePeriodSeconds ?? 30) * 1000;
  const deletedMs = Date.parse(object.metadata.deletionTimestamp ?? '');
  return Number.isNaN(deletedMs) ? graceMs : Math.min(graceMs, Math.max(0, deletedMs - nowMs));
}

const satisfied: Record<string, [reason: string, message: string]> = {
  NamespaceDeletionDiscoveryFailure: ['ResourcesDiscovered', 'All resources successfully discovered'],
  NamespaceDeletionGroupVersionParsingFailure: ['ParsedGroupVersions', 'All legacy kube types successfully parsed'],
  NamespaceDeletionContentFailure: ['ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
  NamespaceContentRemaining: ['ContentRemoved', 'All content successfully removed'],
  NamespaceFinalizersRemaining: ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
};

/** The namespace's conditions, which name the content that remains. Pure. */
export function namespaceConditions(
  namespace: Namespace,
  { objects, errors, undiscovered = [] }: RemainingContent,
  nowMs: number,
): NamespaceCondition[] {
  const failing = new Map<string, [reason: string, message: string]>();
  if (undiscovered.length > 0) {
    const message = `Discovery failed for some groups, ${undiscovered.length} failing: ${discoveryFailure(undiscovered)}`;
    failing.set('NamespaceDeletionDiscoveryFailure', ['DiscoveryFailed', message]);
  }
  if (errors.length > 0) {
    const texts = errors.map(errorText).sort().join(', ');
    failing.set('NamespaceDeletionContentFailure', [
      'ContentDeletionFailed',
      `Failed to delete all resource types, ${errors.length} remaining: ${texts}`,
    ]);
  }
  if (objects.length > 0) {
    const counts = count(objects.map(({ resource: { plural, group } }) => `${plural}.${group}`));
    const texts = counts.map(([name, number]) => `${name} has ${number} resource instances`);
    failing.set('NamespaceContentRemaining', ['SomeResourcesRemain', `Some resources are remaining: ${texts.join(', ')}`]);
  }
  const finalizers = count(objects.flatMap(({ object }) => object.metadata.finalizers ?? []));
  if (finalizers.length > 0) {
    const texts = finalizers.map(([name, number]) => `${name} in ${number} resource instances`);
    failing.set('NamespaceFinalizersRemaining', [
      'SomeFinalizersRemain',
      `Some content in the namespace has finalizers remaining: ${texts.join(', ')}`,
    ]);
  }
  const present = namespace.status?.conditions ?? [];
  const ours = Object.entries(satisfied).map(([type, ok]): NamespaceCondition => {
    const [reason, message] = failing.get(type) ?? ok;
    const status = failing.has(type) ? 'True' : 'False';
    const before = present.find((one) => one.type === type);
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : rfc3339(nowMs);
    return { type, status, reason, message, lastTransitionTime };
  });
  return [...present.filter(({ type }) => satisfied[type] === undefined), ...ours];
}

function count(names: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

async function reportConditions(client: Client, namespace: Namespace, conditions: NamespaceCondition[]): Promise<Namespace> {
  if (sameJson(conditions, namespace.status?.conditions)) return namespace;
  return await client.resource('namespaces').updateStatus({ ...namespace, status: { ...namespace.status, conditions } });
}

async function finalize(client: Client, namespace: Namespace): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((one) => one !== finalizer);
  try {
    await client
      .resource('namespaces')
      .update({ ...namespace, spec: { ...namespace.spec, finalizers } }, { subresource: 'finalize' });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
