/**
 * The end of a definition: its objects go first, then its finalizer.
 *
 * Source: apiextensions-apiserver `pkg/controller/finalizer/crd_finalizer.go`. Like upstream's, these deletes pass no admission.
 */
import { errorText } from '#api/error-text.ts';
import type { Resource } from '#api/resources.ts';
import { isNotFound } from '#api/status.ts';
import type { CustomResourceDefinition } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { sleep } from '#client/clock.ts';
import type { Store } from '#control/store/store.ts';
import type { CacheFeed } from '../cache/cache-feed.ts';
import type { CachedObject } from '../cache/cached-object.ts';
import {
  type ConditionFacts,
  cleanupFinalizer,
  isTrue,
  withCondition,
} from '../kinds/apiextensions/customresourcedefinition/conditions.ts';
import type { Registry } from '../registry/registry.ts';
import type { WriteContext } from '../registry/write-request.ts';

/** How many deletes run at a time. */
const workers = 16;
/** How often it is looked whether the objects have gone, and for how long until the status says that they have not. */
const pollMs = 1000;
const patienceMs = 60_000;

/** What the cleanup needs. */
export interface CleanupDeps {
  store: Store;
  feed: CacheFeed;
  registry: Registry;
  clock: Clock;
  context: WriteContext;
  /** Writes the status; a definition that has changed or gone meanwhile is no error. */
  update(name: string, change: (definition: CustomResourceDefinition) => CustomResourceDefinition): Promise<void>;
}

/** @returns whether a definition waits for its cleanup */
export const awaitsCleanup = ({ metadata }: CustomResourceDefinition): boolean =>
  metadata.deletionTimestamp !== undefined && metadata.finalizers?.includes(cleanupFinalizer) === true;

/**
 * Deletes the objects, then takes the finalizer away.
 * @param row of the kind that owns the storage; undefined: nothing of it is served
 * @throws ApiError, StoreError when objects could not be deleted; the status says so
 */
export async function cleanUp(
  deps: CleanupDeps,
  definition: CustomResourceDefinition,
  row: Resource | undefined,
  signal: AbortSignal,
): Promise<void> {
  const { name } = definition.metadata;
  const set = (facts: ConditionFacts): Promise<void> =>
    deps.update(name, (current) => withCondition(current, facts, deps.clock.now()));
  await set(terminating('True', 'InstanceDeletionInProgress', 'CustomResource deletion is in progress'));
  let end = terminating('False', 'NeverEstablished', 'resource was never established');
  if (isTrue(definition, 'Established')) {
    try {
      await deleteObjects(deps, definition, row, signal);
    } catch (error) {
      const reason = error instanceof StillThere ? 'InstanceDeletionCheck' : 'InstanceDeletionFailed';
      const what =
        error instanceof StillThere ? 'could not confirm zero CustomResources remaining' : 'could not issue all deletes';
      await set(terminating('True', reason, `${what}: ${errorText(error)}`));
      throw error;
    }
    end = terminating('False', 'InstanceDeletionCompleted', 'removed all instances');
  }
  await deps.update(name, (current) => {
    const { metadata } = withCondition(current, end, deps.clock.now());
    const finalizers = metadata.finalizers?.filter((one) => one !== cleanupFinalizer);
    return { ...withCondition(current, end, deps.clock.now()), metadata: { ...metadata, finalizers } };
  });
}

const terminating = (status: 'True' | 'False', reason: string, message: string): ConditionFacts => ({
  type: 'Terminating',
  status,
  reason,
  message,
});

class StillThere extends Error {
  override name = 'StillThere';
}

async function deleteObjects(
  deps: CleanupDeps,
  { spec }: CustomResourceDefinition,
  row: Resource | undefined,
  signal: AbortSignal,
): Promise<void> {
  const prefix = `/registry/${spec.group}/${spec.names.plural}/`;
  if (row === undefined) {
    const { entries } = await deps.store.range({ prefix });
    for (const { key } of entries) await deps.store.delete(key);
    return;
  }
  const left = (): CachedObject[] => [...deps.feed.cache(row.storagePrefix).range(prefix)];
  await deps.feed.fresh();
  await deleteAll(deps, row, left());
  const untilMs = deps.clock.monotonic() + patienceMs;
  for (;;) {
    await deps.feed.fresh();
    if (left().length === 0) return;
    if (signal.aborted || deps.clock.monotonic() >= untilMs) throw new StillThere('context deadline exceeded');
    await sleep(deps.clock, pollMs, signal);
  }
}

async function deleteAll({ registry, context }: CleanupDeps, row: Resource, objects: readonly CachedObject[]): Promise<void> {
  const pending = [...objects];
  const work = async (): Promise<void> => {
    for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
      const { name, namespace } = one.object.metadata;
      await registry
        .delete(row, { name, ...(namespace === undefined ? {} : { namespace }) }, {}, context)
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
    }
  };
  await Promise.all(Array.from({ length: Math.min(workers, pending.length) }, work));
}
