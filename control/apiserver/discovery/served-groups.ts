/**
 * The groups, versions and resources of discovery: the rows of the catalog, kinds that can only be created (reviews), and those of
 * aggregated servers.
 */
import { orderedGroups, orderedVersions } from '#api/group-priorities.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { bindingResource, reviewResources } from '#api/review-resources.ts';
import type { RemoteDocument } from '../aggregation/remote-documents.ts';

/** The discovery of a resource. */
export interface Announced
  extends Pick<
    Resource,
    'group' | 'version' | 'plural' | 'singular' | 'kind' | 'namespaced' | 'verbs' | 'shortNames' | 'categories' | 'subresources'
  > {
  /** Its storage version; undefined if it is never stored. */
  storedForm: Pick<Resource, 'group' | 'version' | 'kind'> | undefined;
}

/** Kinds that can only be created. */
const createdOnly: readonly Announced[] = [...reviewResources, bindingResource].map((resource) => ({
  ...resource,
  verbs: ['create'],
  shortNames: [],
  categories: [],
  subresources: [],
  storedForm: undefined,
}));

/** Read-only resources are computed at each request, so they have no storage version. */
const isStored = ({ verbs }: Resource): boolean => verbs.includes('create');

/** What is currently served; see {@link servedGroupsOf}. */
export class ServedGroups {
  /** By priority, with the core group (''). */
  readonly groups: readonly string[];
  readonly #announced: readonly Announced[];
  readonly #versions: ReadonlyMap<string, readonly string[]>;
  /** The discovery of aggregated servers by group and version. It takes precedence over this server's own. */
  readonly #remote: ReadonlyMap<string, RemoteDocument>;

  constructor(catalog: ResourceCatalog, remote: readonly RemoteDocument[]) {
    this.#remote = new Map(remote.map((one) => [pathOf(one.service.spec), one]));
    const isLocal = (one: Pick<Resource, 'group' | 'version'>): boolean => !this.#remote.has(pathOf(one));
    const rows = catalog.all().filter((row) => row.announced && isLocal(row));
    const elsewhere = remote.map(({ service: { spec } }) => ({
      group: spec.group,
      version: spec.version,
      priority: { group: spec.groupPriorityMinimum, version: spec.versionPriority },
    }));
    const known = [...rows, ...createdOnly.filter(isLocal), ...elsewhere];
    this.groups = orderedGroups(known);
    this.#versions = new Map(this.groups.map((group) => [group, orderedVersions(known, group)]));
    this.#announced = [
      ...rows.map((row) => ({ ...row, storedForm: isStored(row) ? catalog.storedForm(row) : undefined })),
      ...createdOnly.filter(isLocal),
    ];
  }

  /** The discovery of an aggregated server for a group and version; undefined if this server serves it. */
  remoteOf(group: string, version: string): RemoteDocument | undefined {
    return this.#remote.get(pathOf({ group, version }));
  }

  /** The versions of a group, the preferred one first; empty for an unknown group. */
  versionsOf(group: string): readonly string[] {
    return this.#versions.get(group) ?? [];
  }

  has(group: string, version: string): boolean {
    return this.versionsOf(group).includes(version);
  }

  /** Sorted by plural. */
  resourcesOf(group: string, version: string): Announced[] {
    return this.#announced
      .filter((one) => one.group === group && one.version === version)
      .sort((a, b) => (a.plural < b.plural ? -1 : 1));
  }
}

const pathOf = ({ group, version }: Pick<Resource, 'group' | 'version'>): string => `${group}/${version}`;

/**
 * Returns a function that gives the current groups of the catalog and the aggregated servers. They are computed again only after a change.
 */
export function servedGroupsOf(catalog: ResourceCatalog, remoteOf: () => readonly RemoteDocument[]): () => ServedGroups {
  let known: { rows: readonly Resource[]; remote: readonly RemoteDocument[]; groups: ServedGroups } | undefined;
  return () => {
    const [rows, remote] = [catalog.all(), remoteOf()];
    if (known?.rows !== rows || known.remote !== remote) known = { rows, remote, groups: new ServedGroups(catalog, remote) };
    return known.groups;
  };
}
