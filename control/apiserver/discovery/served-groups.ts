/**
 * The groups, versions and resources that discovery tells of: the rows of the catalog, the kinds that are only created (reviews), and what
 * aggregated servers serve.
 */
import { orderedGroups, orderedVersions } from '#api/group-priorities.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { bindingResource, reviewResources } from '#api/review-resources.ts';
import type { RemoteDocument } from '../aggregation/remote-documents.ts';

/** What discovery says of a resource. */
export interface Announced
  extends Pick<
    Resource,
    'group' | 'version' | 'plural' | 'singular' | 'kind' | 'namespaced' | 'verbs' | 'shortNames' | 'categories' | 'subresources'
  > {
  /** The group, version and kind in which it is stored; undefined: it is never stored. */
  storedForm: Pick<Resource, 'group' | 'version' | 'kind'> | undefined;
}

/** Kinds that are only created. */
const createdOnly: readonly Announced[] = [...reviewResources, bindingResource].map((resource) => ({
  ...resource,
  verbs: ['create'],
  shortNames: [],
  categories: [],
  subresources: [],
  storedForm: undefined,
}));

/** What can only be read is found out at each request: there is nothing that a write could store. */
const isStored = ({ verbs }: Resource): boolean => verbs.includes('create');

/** What is served at one moment; see {@link servedGroupsOf}. */
export class ServedGroups {
  /** The most important first, the core group ('') included. */
  readonly groups: readonly string[];
  readonly #announced: readonly Announced[];
  readonly #versions: ReadonlyMap<string, readonly string[]>;
  /** By group and version, which an aggregated server takes from this one. */
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

  /** What an aggregated server says of a group and version; undefined: this server answers it. */
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

/** The groups as the catalog and the aggregated servers have them at the time of each call; made anew only after a change. */
export function servedGroupsOf(catalog: ResourceCatalog, remoteOf: () => readonly RemoteDocument[]): () => ServedGroups {
  let known: { rows: readonly Resource[]; remote: readonly RemoteDocument[]; groups: ServedGroups } | undefined;
  return () => {
    const [rows, remote] = [catalog.all(), remoteOf()];
    if (known?.rows !== rows || known.remote !== remote) known = { rows, remote, groups: new ServedGroups(catalog, remote) };
    return known.groups;
  };
}
