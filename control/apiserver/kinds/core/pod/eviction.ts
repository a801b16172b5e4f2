/** `pods/eviction`. Source: kubernetes `pkg/registry/core/pod/storage/eviction.go`. */
import { invalidValue } from '#api/field-error.ts';
import type { KubeObject } from '#api/meta.ts';
import { isPodTerminal, withPodCondition } from '#api/pod/conditions.ts';
import { badRequest, invalid, isConflict, unknownError } from '#api/status.ts';
import type { DeleteOptions, Eviction, Pod } from '#api/types.generated.ts';
import { sleep } from '#client/clock.ts';
import type { TransportResponse } from '#client/transport.ts';
import { checkPreconditions } from '../../../registry/deletion.ts';
import { admitted } from '../../../rest/admitted.ts';
import { checkDeleteOptions } from '../../../rest/delete-handlers.ts';
import { type Exchange, writeContext } from '../../../rest/exchange.ts';
import { parseDryRun } from '../../../rest/request-body.ts';
import { successResponse } from '../../../rest/responses.ts';
import { readObject } from '../../../rest/write-handlers.ts';
import { countEviction, judgeEviction, stillProcessed } from './eviction-budget.ts';

type Options = Partial<DeleteOptions>;

/** How often, and at which interval, a deletion is tried again when the pod has changed meanwhile (upstream's EvictionsRetry). */
const attempts = 20;
const retryMs = 500;

/** Deletes the pod as `kubectl drain` asks. @throws ApiError 429 when a PodDisruptionBudget refuses, 500 when there are two */
export async function createEviction(exchange: Exchange): Promise<TransportResponse> {
  const { accepted, pretty } = exchange;
  const options = await readEviction(exchange);
  const pod = await deleteWithoutBudget(exchange, options);
  if (pod === undefined) return successResponse(201, accepted.format, pretty);
  const verdict = await judgeEviction(exchange.parts, pod);
  if (verdict.kind === 'several')
    throw unknownError('This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.');
  if (verdict.kind === 'counted') await countEviction(exchange.parts, pod, verdict.budget, isDryRun(options));
  if (verdict.kind === 'unhealthy') await deleteUnhealthy(exchange, pod, options, verdict.budget);
  else await markAndDelete(exchange, options);
  return successResponse(201, accepted.format, pretty);
}

/** The delete options of the eviction. @throws ApiError 400, 422, 500 */
async function readEviction(exchange: Exchange): Promise<Options> {
  const { info, resource } = exchange;
  const expected = { apiVersion: 'policy/v1', kind: 'Eviction', type: 'policy/v1.Eviction', alsoVersions: ['policy/v1beta1'] };
  const eviction = (await readObject(exchange, expected, 'CreateOptions')) as unknown as Eviction;
  const { namespace = '' } = eviction.metadata ?? {};
  if (namespace !== '' && namespace !== info.namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  const admission = await admitted(exchange, resource, eviction, writeContext(exchange, 'CreateOptions'));
  if (eviction.metadata?.name !== info.name) throw badRequest('name in URL does not match name in Eviction object');
  const options: Options = eviction.deleteOptions ?? {};
  if (options.ignoreStoreReadErrorWithClusterBreakingPotential === true) {
    const field = 'deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential';
    const problem = invalidValue(field, true, 'can not be set for pod eviction, try after removing the option');
    throw invalid({ group: 'policy', name: 'Eviction' }, info.name, [problem]);
  }
  const dryRun = agreedDryRun(info.query.getAll('dryRun'), options.dryRun ?? []);
  await admission.validate();
  parseDryRun(dryRun, 'DeleteOptions');
  const problems = checkDeleteOptions(options);
  if (problems.length > 0) throw invalid({ group: 'meta.k8s.io', name: 'DeleteOptions' }, '', problems);
  return { ...options, dryRun };
}

/** The dry run of the request or of the body; if both ask for one, they must agree. @throws ApiError 500 */
function agreedDryRun(asked: string[], told: string[]): string[] {
  if (told.length === 0) return asked;
  if (asked.length === 0 || asked.join() === told.join()) return told;
  const text = `[${asked.join(' ')}] and [${told.join(' ')}]`;
  throw unknownError(`Non-matching dry-run options in request and content: ${text}`);
}

const isDryRun = ({ dryRun = [] }: Options): boolean => dryRun.length > 0;
const revisionOf = ({ preconditions }: Options): string | undefined => preconditions?.resourceVersion;
const atRevision = (options: Options, { metadata }: KubeObject): Options => ({
  ...options,
  preconditions: { ...options.preconditions, resourceVersion: metadata.resourceVersion },
});

/**
 * Deletes a pod for which budgets do not matter: one that has ended, has not started, or is being deleted.
 * @returns undefined when it was deleted; else the pod, which budgets may protect
 */
async function deleteWithoutBudget(exchange: Exchange, options: Options): Promise<Pod | undefined> {
  const { parts, resource, info } = exchange;
  const signal = exchange.signal();
  for (let attempt = 1; ; attempt++) {
    const pod = (await parts.registry.get(resource, info)).object as Pod;
    const isGoing = isPodTerminal(pod) || pod.metadata.deletionTimestamp !== undefined;
    if (!isGoing && pod.status?.phase !== 'Pending') return pod;
    // A pending pod may start meanwhile, and then budgets count it.
    const isFixed = revisionOf(options) !== undefined;
    try {
      await markAndDelete(exchange, isGoing || isFixed ? options : atRevision(options, pod));
      return undefined;
    } catch (error) {
      if (!isConflict(error) || isFixed || attempt === attempts || signal.aborted) throw error;
    }
    await sleep(parts.clock, retryMs * (1 + 0.1 * parts.random()), signal);
  }
}

/**
 * Deletes a pod that is not ready. If it became ready meanwhile it is not deleted, because budgets then count it.
 * @throws ApiError 429
 */
async function deleteUnhealthy(exchange: Exchange, pod: Pod, options: Options, budget: string): Promise<void> {
  try {
    await markAndDelete(exchange, atRevision(options, pod));
  } catch (error) {
    if (isConflict(error) && revisionOf(options) === undefined) throw stillProcessed(budget);
    throw error;
  }
}

/** Writes the condition DisruptionTarget into the pod, and deletes it. @throws ApiError 409 when a precondition does not hold */
async function markAndDelete(exchange: Exchange, options: Options): Promise<void> {
  const { parts, resource, info } = exchange;
  const context = { ...writeContext(exchange, 'CreateOptions', isDryRun(options)), admitted: true };
  const isFixed = revisionOf(options) !== undefined;
  let deletion = options;
  if (!context.dryRun) {
    const transform = (current: KubeObject | undefined): KubeObject => {
      if (current === undefined) throw new Error('an eviction creates no pod');
      checkPreconditions(current, options, { group: '', name: 'Pod' });
      return evicted(current as Pod, parts.clock.now());
    };
    const request = { transform, subresource: 'status', mode: 'bypass', fieldsTracked: true } as const;
    const { object } = (await parts.registry.update(resource, info, request, context)).object;
    // Writing the condition has changed the resourceVersion that the precondition names.
    if (isFixed) deletion = atRevision(options, object);
  }
  await parts.registry.delete(resource, info, deletion, context);
}

/** The pod with the condition DisruptionTarget (KEP-3329). */
function evicted(pod: Pod, nowMs: number): Pod {
  const target = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
  } as const;
  return { ...pod, status: { ...pod.status, conditions: withPodCondition(pod.status?.conditions, target, nowMs) } };
}
