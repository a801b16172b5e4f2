/**
 * Maintains the APIServices of the groups and versions that this server serves itself. Built-in ones are created and corrected when the
 * server starts, those of CustomResourceDefinitions at any time.
 *
 * Owns: APIService (label `kube-aggregator.kubernetes.io/automanaged`).  Watches: the catalog, APIService.  Writes: APIService.
 * Source: kube-aggregator `pkg/controllers/autoregister`; kubernetes `pkg/controlplane/apiserver/aggregator.go`, `crdregistration`.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { isBuiltInGroup, priorityOf } from '#api/group-priorities.ts';
import { type New, sameJson } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import { reviewResources } from '#api/review-resources.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#api/status.ts';
import type { APIService } from '#api/types.generated.ts';
import type { Client } from '#client/client.ts';
import { type Clock, sleep } from '#client/clock.ts';
import type { Informers } from '#client/informers.ts';
import type { ServerLog } from '../serving/server-log.ts';

/** The label of maintained APIServices, with the value `onstart` or `true`. */
export const managedLabel = 'kube-aggregator.kubernetes.io/automanaged';
const resource = 'apiservices.apiregistration.k8s.io';
/** The group of resource metrics has no APIService by default, because the manifests of metrics-server create it. */
const unregistered: ReadonlySet<string> = new Set(['metrics.k8s.io']);
const retryMs = 1000;

/** What {@link keepRegistered} needs. */
export interface AutoRegistrationDeps {
  client: Client;
  informers: Pick<Informers, 'informer' | 'cache'>;
  catalog: ResourceCatalog;
  clock: Clock;
  log: ServerLog;
}

/** The desired APIService, and when it is maintained. */
type Wanted = Pick<APIService, 'spec'> & { managed: 'onstart' | 'true' };

/** Maintains the APIServices until `signal` aborts. */
export async function keepRegistered(deps: AutoRegistrationDeps, signal: AbortSignal): Promise<void> {
  const { informers, catalog, clock, log } = deps;
  const informer = informers.informer(resource);
  let wake = (): void => undefined;
  const dirty = (): void => wake();
  const stops = [catalog.changed(dirty), informer.subscribe({ added: dirty, updated: dirty, deleted: dirty })];
  signal.addEventListener('abort', dirty, { once: true });
  try {
    await informer.untilSynced(signal).catch(() => undefined);
    const atStart = new Set(
      informers
        .cache(resource)
        .list()
        .map(({ metadata }) => metadata.name),
    );
    const synced = new Set<string>();
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve;
      });
      try {
        await syncAll(deps, atStart, synced);
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, 'the APIServices of what this server serves could not be written; trying again');
        await sleep(clock, retryMs, signal);
        continue;
      }
      await changed;
      // Many changes may come in one turn of the event loop.
      await nextTurn();
    }
  } finally {
    for (const stop of stops) stop();
  }
}

async function syncAll(
  { client, informers, catalog }: AutoRegistrationDeps,
  atStart: ReadonlySet<string>,
  synced: Set<string>,
): Promise<void> {
  const wanted = wantedServices(catalog);
  const present = informers.cache(resource);
  for (const name of new Set([...wanted.keys(), ...present.list().map(({ metadata }) => metadata.name)])) {
    const isSynced = synced.has(name);
    await sync(client, name, wanted.get(name), present.get(name), { isSynced, wasThere: atStart.has(name) });
    synced.add(name);
  }
}

/** As upstream's table in `checkAPIService`. */
async function sync(
  client: Client,
  name: string,
  wanted: Wanted | undefined,
  present: APIService | undefined,
  { isSynced, wasThere }: { isSynced: boolean; wasThere: boolean },
): Promise<void> {
  if (wanted?.managed === 'onstart' && isSynced) return;
  const services = client.resource(resource);
  if (present === undefined) {
    if (wanted !== undefined) await unlessRaced(services.create(objectOf(name, wanted)));
    return;
  }
  const managed = present.metadata.labels?.[managedLabel];
  if (managed !== 'onstart' && managed !== 'true') return;
  if (managed === 'onstart' && (!wasThere || isSynced)) return;
  const { uid } = present.metadata;
  if (wanted === undefined) await unlessRaced(services.delete({ name }, { preconditions: { uid } }));
  else if (!sameJson(present.spec, wanted.spec)) await unlessRaced(services.update({ ...present, spec: wanted.spec }));
}

const objectOf = (name: string, { spec, managed }: Wanted): New<APIService> => ({
  apiVersion: 'apiregistration.k8s.io/v1',
  kind: 'APIService',
  metadata: { name, labels: { [managedLabel]: managed } },
  spec,
});

/** A conflict: the other change arrives by watch and starts the next attempt. */
async function unlessRaced(writing: Promise<unknown>): Promise<void> {
  try {
    await writing;
  } catch (error) {
    if (!isAlreadyExists(error) && !isConflict(error) && !isNotFound(error)) throw error;
  }
}

/** By name. Pure. */
export function wantedServices(catalog: Pick<ResourceCatalog, 'all'>): ReadonlyMap<string, Wanted> {
  const wanted = new Map<string, Wanted>();
  const rows = catalog.all().filter(({ announced }) => announced);
  for (const row of [...rows, ...reviewResources]) {
    const { group, version } = row;
    // The aggregator's own group has no APIService.
    if (unregistered.has(group) || group === 'apiregistration.k8s.io') continue;
    const priority = priorityOf(row);
    const spec = {
      ...(group === '' ? {} : { group }),
      version,
      groupPriorityMinimum: priority.group,
      versionPriority: priority.version,
    };
    wanted.set(`${version}.${group}`, { spec, managed: isBuiltInGroup(group) ? 'onstart' : 'true' });
  }
  return wanted;
}
