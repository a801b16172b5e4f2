/**
 * The catalog of a process that is a client: which resources a server has, as its discovery tells. Built-in rows that the server does not
 * have are taken out, custom and aggregated ones are added, one version of each.
 *
 * Source: client-go `discovery` (aggregated discovery, ServerPreferredResources); kubernetes garbage collector's `Sync`, every 30 seconds.
 */
import type { Logger } from 'pino';
import { createResourceCatalog, type EditableCatalog, type ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import type { Client } from './client.ts';
import { type Clock, sleep } from './clock.ts';

const syncMs = 30_000;
const retryMs = 1_000;
/** Changes of definitions come in bursts, so wait a little. */
const settleMs = 500;
const accept =
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList';

interface DiscoveredResource {
  resource: string;
  responseKind?: { kind?: string };
  scope: string;
  singularResource?: string;
  verbs: string[];
  shortNames?: string[];
  categories?: string[];
  subresources?: { subresource: string; verbs: string[]; responseKind?: { group?: string; version?: string; kind?: string } }[];
}

/** One group of the aggregated discovery. */
export interface DiscoveredGroup {
  metadata?: { name?: string };
  versions?: { version: string; freshness?: string; resources?: DiscoveredResource[] }[];
}

/** A catalog that follows a server. */
export class DiscoveredCatalog {
  readonly #catalog: EditableCatalog = createResourceCatalog();
  /** The rows that were not built in, by id. */
  readonly #added = new Map<string, string>();
  readonly #builtIn: readonly Resource[];
  #wake = new AbortController();

  constructor() {
    this.#builtIn = this.#catalog.all();
  }

  /** For its readers. */
  get resources(): ResourceCatalog {
    return this.#catalog;
  }

  /** Asks again soon, because definitions have changed. */
  changed(): void {
    this.#wake.abort();
  }

  /** Asks until the server has answered once. @throws nothing; ends early when `signal` aborts */
  async fill(client: Pick<Client, 'raw'>, { clock, log }: { clock: Clock; log: Logger }, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        this.apply(await discover(client, signal));
        return;
      } catch (error) {
        if (signal.aborted) return;
        log.warn({ err: error }, 'the API server does not say yet what it serves; trying again');
      }
      await sleep(clock, retryMs, signal);
    }
  }

  /** Follows the server until `signal` aborts. Never rejects. */
  async run(client: Pick<Client, 'raw'>, { clock, log }: { clock: Clock; log: Logger }, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(clock, syncMs, AbortSignal.any([this.#wake.signal, signal]));
      if (this.#wake.signal.aborted) {
        this.#wake = new AbortController();
        await sleep(clock, settleMs, signal);
      }
      if (signal.aborted) return;
      try {
        this.apply(await discover(client, signal));
      } catch (error) {
        if (!signal.aborted) log.warn({ err: error }, 'what the API server serves could not be read; what was known stays');
      }
    }
  }

  /** Makes the catalog what the groups say. */
  apply(groups: readonly DiscoveredGroup[]): void {
    const served = servedRows(groups);
    const stale = new Set(groups.filter(isStale).map(({ metadata }) => metadata?.name ?? ''));
    const keep = ({ group, version, plural }: Resource): boolean =>
      stale.has(group) || served.paths.has(`${group}/${version}/${plural}`);
    for (const [id, described] of this.#added) {
      const row = this.#catalog.byId(id);
      const next = served.rows.get(id);
      if (row === undefined || stale.has(row.group) || (next !== undefined && JSON.stringify(next) === described)) continue;
      this.#catalog.remove(id);
      this.#added.delete(id);
    }
    // Views first: a row that others are stored as cannot go before them.
    for (const view of [true, false])
      for (const row of this.#builtIn)
        if ((row.storedAs !== undefined) === view && this.#catalog.byId(row.id) === row && !keep(row) && !this.#isStoredForm(row))
          this.#catalog.remove(row.id);
    for (const view of [false, true])
      for (const row of this.#builtIn)
        if ((row.storedAs !== undefined) === view && this.#catalog.byId(row.id) === undefined && keep(row))
          this.#catalog.add(row);
    for (const [id, row] of served.rows) {
      if (this.#catalog.byId(id) !== undefined || this.#catalog.find(row.group, row.version, row.plural) !== undefined) continue;
      this.#catalog.add(row);
      this.#added.set(id, JSON.stringify(row));
    }
  }

  #isStoredForm({ id }: Resource): boolean {
    return this.#catalog.all().some(({ storedAs }) => storedAs === id);
  }
}

const isStale = ({ versions = [] }: DiscoveredGroup): boolean => versions.some(({ freshness }) => freshness === 'Stale');

/** The preferred version of each resource, and the paths of all versions. Pure. */
function servedRows(groups: readonly DiscoveredGroup[]): { rows: Map<string, Resource>; paths: Set<string> } {
  const rows = new Map<string, Resource>();
  const paths = new Set<string>();
  for (const { metadata, versions = [] } of groups) {
    const group = metadata?.name ?? '';
    for (const { version, resources = [] } of versions) {
      for (const resource of resources) {
        paths.add(`${group}/${version}/${resource.resource}`);
        const id = group === '' ? resource.resource : `${resource.resource}.${group}`;
        if (!rows.has(id) && resource.responseKind?.kind !== undefined) rows.set(id, rowOf(id, group, version, resource));
      }
    }
  }
  return { rows, paths };
}

function rowOf(id: string, group: string, version: string, found: DiscoveredResource): Resource {
  const { resource: plural, responseKind, scope, singularResource = '', verbs, shortNames = [], categories = [] } = found;
  const kind = responseKind?.kind ?? '';
  return {
    id,
    group,
    version,
    kind,
    plural,
    singular: singularResource,
    namespaced: scope === 'Namespaced',
    verbs,
    shortNames,
    categories,
    subresources: (found.subresources ?? []).map(({ subresource, verbs: own, responseKind: of }) => ({
      name: subresource,
      group: of?.group ?? group,
      version: of?.version ?? version,
      kind: of?.kind ?? kind,
      verbs: own,
    })),
    storagePrefix: `/registry/${group === '' ? 'core' : group}/${plural}`,
    storedAs: undefined,
    schema: `${group}/${version}.${kind}`,
    deprecation: undefined,
    announced: true,
    returnsDeleted: 'no',
    garbageCollected: ['delete', 'list', 'watch'].every((verb) => verbs.includes(verb)),
    priority: undefined,
  };
}

/** @throws Error when the server does not answer, or not as asked */
async function discover(client: Pick<Client, 'raw'>, signal: AbortSignal): Promise<DiscoveredGroup[]> {
  const [core, groups] = await Promise.all(
    ['/api', '/apis'].map(async (path): Promise<DiscoveredGroup[]> => {
      const { status, body } = await client.raw({ method: 'GET', path, headers: { accept }, signal });
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(piece);
      const text = Buffer.concat(pieces).toString('utf8');
      if (status !== 200) throw new Error(`discovery of ${path} was answered with ${status}`);
      const list = JSON.parse(text) as { kind?: string; items?: DiscoveredGroup[] };
      if (list.kind !== 'APIGroupDiscoveryList')
        throw new Error(`discovery of ${path} was answered with ${list.kind ?? 'something else'}`);
      return list.items ?? [];
    }),
  );
  return [...(core ?? []), ...(groups ?? [])];
}
