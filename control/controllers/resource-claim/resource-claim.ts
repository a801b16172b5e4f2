/**
 * Resource claim controller: creates the ResourceClaims of pods from templates, and deallocates claims that are no longer used.
 *
 * Owns: ResourceClaim (by controller ownerReference).  Watches: Pod, ResourceClaim, ResourceClaimTemplate.
 * Writes: ResourceClaim, ResourceClaim/status, Pod/status.
 *
 *     made from template ─▶ allocated and reserved (scheduler) ─▶ pod done ─▶ not reserved ─▶ deallocated ─▶ finalizer gone, deleted if made for the pod
 *
 * Source: kubernetes.io, Dynamic Resource Allocation; kubernetes `pkg/controller/resourceclaim`; KEP-4381.
 */
import {
  claimFinalizer,
  claimNameOf,
  claimOwnerProblem,
  isReservedFor,
  podClaimAnnotation,
  unnamedClaimText,
} from '#api/dra/pod-claims.ts';
import { errorText } from '#api/error-text.ts';
import { controllerOf, keyOf } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { isNotFound } from '#api/status.ts';
import type { DraResourceClaim, Pod, PodResourceClaim, ResourceClaimConsumerReference } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { generatedClaim } from './generated-claim.ts';
import { ResourceClaimMetrics } from './metrics.ts';
import { PodsByResourceClaim } from './pods-by-resource-claim.ts';

const claimsId = 'resourceclaims.resource.k8s.io';
const templatesId = 'resourceclaimtemplates.resource.k8s.io';
const fieldManager = 'ResourceClaimController';
/** Limit of deleted pods to remember. For other pods, the API server is asked. */
const maxRemembered = 500;

/** Makes the resource claim controller. */
export function resourceClaimController(deps: ControllerDeps, metrics = new ResourceClaimMetrics()): Controller {
  const { client, caches, events } = deps;
  const pods = new PodsByResourceClaim();
  const gone = new Set<string>();
  /** Created claims that the cache does not show yet, by UID. They prevent a second claim for the same entry. */
  const made = new Map<string, DraResourceClaim>();
  metrics.count(() => caches.cache(claimsId).list());

  const podKeys = (pod: Pod): string[] => (needsWork(pod) ? [`pod:${keyOf(pod)}`] : []);

  return {
    name: 'resource-claim-controller',
    concurrency: 10,
    watches: [
      {
        resource: 'pods',
        keys(pod, previous) {
          if ((pod.spec.resourceClaims ?? []).length === 0 && pod.status?.extendedResourceClaimStatus === undefined) return [];
          const exists = caches.cache('pods').get(keyOf(pod)) !== undefined;
          pods.changed(pod, previous, exists);
          if (!exists) remember(pod.metadata.uid);
          if (!exists) return claimsOf(pod);
          return [...(isPodDone(pod) ? claimsOf(pod) : []), ...podKeys(pod)];
        },
      },
      {
        resource: claimsId,
        keys(claim) {
          made.delete(claim.metadata.uid);
          const key = keyOf(claim);
          const exists = caches.cache(claimsId).get(key) !== undefined;
          return [...(exists ? [`claim:${key}`] : []), ...pods.ofClaim(key).flatMap(podKeys)];
        },
      },
      { resource: templatesId, keys: (template) => pods.ofTemplate(keyOf(template)).flatMap(podKeys) },
    ],

    async reconcile(key) {
      const [kind, objectKey = ''] = key.split(':', 2);
      if (kind === 'pod') await syncPod(objectKey);
      else await syncClaim(objectKey);
      return done;
    },
  };

  function remember(uid: string): void {
    gone.add(uid);
    for (const oldest of gone) {
      if (gone.size <= maxRemembered) break;
      gone.delete(oldest);
    }
  }

  /** Whether this controller has something to do for the pod. */
  function needsWork(pod: Pod): boolean {
    if (pod.metadata.deletionTimestamp !== undefined) return false;
    return (pod.spec.resourceClaims ?? []).some((entry) => {
      const named = claimNameOf(pod, entry);
      if (named.kind === 'missing' || named.kind === 'unknown') return true;
      if (named.kind === 'unneeded') return false;
      const claim = cached(pod, named.name);
      if (claim === undefined) return entry.resourceClaimTemplateName !== undefined;
      if (named.isOwned && claimOwnerProblem(pod, claim) !== undefined) return false;
      return needsReservation(pod, claim);
    });
  }

  function cached(pod: Pod, name: string): DraResourceClaim | undefined {
    return caches.cache(claimsId).get(`${pod.metadata.namespace ?? ''}/${name}`);
  }

  async function syncPod(key: string): Promise<void> {
    const pod = caches.cache('pods').get(key);
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return;
    const added: { name: string; resourceClaimName: string }[] = [];
    for (const entry of pod.spec.resourceClaims ?? []) {
      try {
        const claim = await claimToAdd(pod, entry);
        if (claim !== undefined) added.push({ name: entry.name, resourceClaimName: claim.metadata.name });
      } catch (error) {
        const why = errorText(error);
        events.event(pod, 'Warning', 'FailedResourceClaimCreation', `PodResourceClaim ${entry.name}: ${why}`);
        throw new Error(`pod ${key}, PodResourceClaim ${entry.name}: ${why}`, { cause: error });
      }
    }
    if (added.length > 0) await recordClaims(pod, added);
    // The scheduler reserves claims. The controller does so only for pods that got a node without the scheduler.
    if ((pod.spec.nodeName ?? '') !== '') await reserveAll(pod);
  }

  /** Creates or finds the claim of an entry. @returns undefined when the pod's status has it already, or no claim can be created */
  async function claimToAdd(pod: Pod, entry: PodResourceClaim): Promise<DraResourceClaim | undefined> {
    const named = claimNameOf(pod, entry);
    if (named.kind === 'unknown')
      throw new Error(`checking for claim before creating it: ${unnamedClaimText(pod, entry, 'unknown')}`);
    if (named.kind === 'unneeded') return undefined;
    if (named.kind === 'named') {
      // The claim may have been deleted, and another one may have its name now.
      const claim = cached(pod, named.name);
      if (claim !== undefined && !(named.isOwned && claimOwnerProblem(pod, claim) !== undefined)) return undefined;
    }
    const { resourceClaimTemplateName: templateName } = entry;
    if (templateName === undefined) return undefined;
    // Look for a claim that was created before, but whose name was not written to the pod's status.
    const orphan = [...caches.cache(claimsId).ownedBy(pod), ...made.values()].find(
      (claim) => controllerOf(claim)?.uid === pod.metadata.uid && claim.metadata.annotations?.[podClaimAnnotation] === entry.name,
    );
    if (orphan !== undefined) return orphan;
    const template = caches.cache(templatesId).get(`${pod.metadata.namespace ?? ''}/${templateName}`);
    if (template === undefined)
      throw new Error(
        `resource claim template ${JSON.stringify(templateName)}: resourceclaimtemplate.resource.k8s.io ${JSON.stringify(templateName)} not found`,
      );
    try {
      const claim = await client.resource(claimsId).create(generatedClaim(pod, entry, template));
      if (caches.cache(claimsId).get(keyOf(claim)) === undefined) made.set(claim.metadata.uid, claim);
      metrics.created('success', claim.spec);
      return claim;
    } catch (error) {
      metrics.created('failure', template.spec.spec);
      throw new Error(`create ResourceClaim : ${errorText(error)}`, { cause: error });
    }
  }

  async function recordClaims(pod: Pod, added: readonly { name: string; resourceClaimName: string }[]): Promise<void> {
    const { name, namespace = '' } = pod.metadata;
    // The apply request must contain all entries of this field manager, including those that it wrote before.
    const kept = (pod.status?.resourceClaimStatuses ?? []).filter((one) => !added.some((other) => other.name === one.name));
    const statuses = [...kept, ...added].map((one) => ({ ...one }));
    const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace }, status: { resourceClaimStatuses: statuses } };
    await client
      .resource('pods')
      .patch({ name, namespace }, { type: 'apply', body, fieldManager, force: true }, { subresource: 'status' });
  }

  /** Reserves the claims of a pod that got its node without the scheduler. */
  async function reserveAll(pod: Pod): Promise<void> {
    for (const entry of pod.spec.resourceClaims ?? []) {
      const named = claimNameOf(pod, entry);
      if (named.kind !== 'named') continue;
      const claim = cached(pod, named.name);
      if (claim === undefined) return;
      const problem = named.isOwned ? claimOwnerProblem(pod, claim) : undefined;
      if (problem !== undefined) throw new Error(problem);
      if (!needsReservation(pod, claim)) continue;
      const consumer: ResourceClaimConsumerReference = { resource: 'pods', name: pod.metadata.name, uid: pod.metadata.uid };
      const reservedFor = [...(claim.status?.reservedFor ?? []), consumer];
      await client.resource(claimsId).updateStatus({ ...claim, status: { ...claim.status, reservedFor } });
    }
  }

  async function syncClaim(key: string): Promise<void> {
    let claim = caches.cache(claimsId).get(key);
    if (claim === undefined) return;
    const reserved = claim.status?.reservedFor ?? [];
    const remaining: ResourceClaimConsumerReference[] = [];
    for (const consumer of reserved) if (await mayUse(claim, consumer)) remaining.push(consumer);
    if (remaining.length < reserved.length) {
      // Use an update instead of a patch, so that it fails when the claim was reserved meanwhile.
      const isFree = remaining.length === 0 && hasFinalizer(claim);
      claim = await client.resource(claimsId).updateStatus(withStatus(claim, remaining, isFree));
      if (claim.status?.allocation === undefined) claim = await dropFinalizer(claim);
    } else if (claim.metadata.deletionTimestamp !== undefined && remaining.length === 0 && hasFinalizer(claim)) {
      if (claim.status?.allocation !== undefined)
        claim = await client.resource(claimsId).updateStatus(withStatus(claim, remaining, true));
      claim = await dropFinalizer(claim);
    }
    if (remaining.length === 0) await deleteUnused(claim);
  }

  /** Whether the consumer exists and may still run. Consumers of unknown kinds are assumed to exist. */
  async function mayUse(
    { metadata }: DraResourceClaim,
    { apiGroup = '', resource, name, uid }: ResourceClaimConsumerReference,
  ): Promise<boolean> {
    if (apiGroup !== '' || resource !== 'pods') return true;
    if (gone.has(uid)) return false;
    const { namespace = '' } = metadata;
    const pod = caches.cache('pods').get(`${namespace}/${name}`);
    if (pod !== undefined) return pod.metadata.uid === uid && !isPodDone(pod);
    // The cache may not show the pod yet, so ask the API server.
    try {
      return (await client.resource('pods').get({ namespace, name })).metadata.uid === uid;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  async function dropFinalizer(claim: DraResourceClaim): Promise<DraResourceClaim> {
    if (!hasFinalizer(claim)) return claim;
    const finalizers = (claim.metadata.finalizers ?? []).filter((one) => one !== claimFinalizer);
    return client.resource(claimsId).update({ ...claim, metadata: { ...claim.metadata, finalizers } });
  }

  /** Deletes claims of pods that are done but still exist. The garbage collector deletes those of deleted pods. */
  async function deleteUnused(claim: DraResourceClaim): Promise<void> {
    const owner = controllerOf(claim);
    if (owner?.apiVersion !== 'v1' || owner.kind !== 'Pod') return;
    const { namespace = '', name } = claim.metadata;
    const pod = caches.cache('pods').get(`${namespace}/${owner.name}`);
    if (pod === undefined || (pod.metadata.uid === owner.uid && !isPodDone(pod))) return;
    try {
      await client.resource(claimsId).delete({ namespace, name });
    } catch (error) {
      if (!isNotFound(error))
        throw new Error(`delete unused generated claim ${namespace}/${name}: ${errorText(error)}`, { cause: error });
    }
  }
}

const hasFinalizer = ({ metadata }: DraResourceClaim): boolean => metadata.finalizers?.includes(claimFinalizer) === true;

/** Whether no container of the pod runs or will run. */
const isPodDone = (pod: Pod): boolean =>
  isPodTerminal(pod) || (pod.metadata.deletionTimestamp !== undefined && (pod.spec.nodeName ?? '') === '');

const needsReservation = (pod: Pod, claim: DraResourceClaim): boolean =>
  (pod.spec.nodeName ?? '') !== '' && claim.status?.allocation !== undefined && !isReservedFor(pod, claim);

/** The claim with a new status. @param isFree removes the allocation, because no consumer is left */
function withStatus(claim: DraResourceClaim, reservedFor: ResourceClaimConsumerReference[], isFree: boolean): DraResourceClaim {
  const { allocation, reservedFor: _, ...rest } = claim.status ?? {};
  const status = {
    ...rest,
    ...(isFree || allocation === undefined ? {} : { allocation }),
    ...(reservedFor.length === 0 ? {} : { reservedFor }),
  };
  return { ...claim, status };
}

/** The keys of the claims that the pod uses, including the claim that the scheduler creates for extended resources. */
function claimsOf(pod: Pod): string[] {
  const { namespace = '' } = pod.metadata;
  const names = (pod.spec.resourceClaims ?? []).flatMap((entry) => {
    const named = claimNameOf(pod, entry);
    return named.kind === 'named' ? [named.name] : [];
  });
  const extended = pod.status?.extendedResourceClaimStatus?.resourceClaimName;
  return [...names, ...(extended === undefined ? [] : [extended])].map((name) => `claim:${namespace}/${name}`);
}
