/** A resource of the API, in the terms of discovery. */

/** One resource in one version. Two rows with the same storage prefix show the same stored objects. */
export interface Resource {
  /**
   * Unique in a catalog. It is `plural` in the core group and `plural.group` in other groups. For a further version of a resource
   * it is `plural.version.group`, as kubectl writes it.
   */
  id: string;
  /** The API group; the core group is ''. */
  group: string;
  version: string;
  kind: string;
  plural: string;
  singular: string;
  namespaced: boolean;
  /** The verbs that the resource itself supports. Other verbs get 405. */
  verbs: readonly string[];
  shortNames: readonly string[];
  categories: readonly string[];
  /**
   * Subresources with the kind that they carry, as discovery lists them. The built-in rows (`resources.ts`) have none: the API server adds
   * what the kinds' rooms declare.
   */
  subresources: readonly Subresource[];
  /** The key prefix in the store, the same as upstream's: `/registry/pods`. It has one or two segments after `/registry/`. */
  storagePrefix: string;
  /** The id of the row in whose version and form the objects are stored. Undefined: this row. */
  storedAs: string | undefined;
  /** The type's name in the schema facts, for example `core/v1.Pod`. */
  schema: string;
  /** The kind of its lists. Absent: the kind with `List` behind it. */
  listKind?: string;
  /** The warning that every reply has, if the resource is deprecated. */
  deprecation: string | undefined;
  /** Whether discovery and the OpenAPI documents list the resource. */
  announced: boolean;
  /**
   * Whether a delete replies with the object instead of a Status. `undocumented`: it replies with the object, but OpenAPI says
   * Status (as upstream).
   */
  returnsDeleted: 'no' | 'yes' | 'undocumented';
  /**
   * Whether the garbage collector watches the resource. It ignores Events, as upstream does: they are many and expire by
   * themselves.
   */
  garbageCollected: boolean;
  /**
   * The priority of the group and version in discovery; an APIService sets it for an aggregated group. Undefined: that of
   * `group-priorities.ts`.
   */
  priority: GroupVersionPriority | undefined;
}

/** The priority of a group and version. Higher numbers come first. */
export interface GroupVersionPriority {
  group: number;
  version: number;
}

/** A subresource, with the kind of its objects. */
export interface Subresource {
  name: string;
  group: string;
  version: string;
  kind: string;
  verbs: readonly string[];
}
