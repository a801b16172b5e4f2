/** The notation of the table of built-in kinds: a row has only what differs from the defaults. */
import type { KubeObject } from './meta.ts';
import type { Resource } from './resource.ts';

/** The verbs of most kinds. */
export const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** The properties of a built-in kind that differ from the defaults. */
interface Row {
  /** Default: v1. */
  version?: string;
  /** Default: all. */
  verbs?: readonly string[];
  /** Short names. */
  names?: readonly string[];
  categories?: readonly string[];
  /** Cluster-scoped. */
  cluster?: true;
  /** The storage prefix after `/registry/`. Default: the plural. */
  storage?: string;
  /** The ID of the row in whose version it is stored. That row must come first in the table. */
  storedAs?: string;
  deprecation?: string;
  announced?: false;
  returnsDeleted?: 'yes' | 'undocumented';
  garbageCollected?: false;
}

/** A row of the table of built-in kinds. `type` exists for the compiler only. */
export interface Line<T extends KubeObject> extends Row {
  kind: string;
  schema: string;
  type?: T;
}

/** Makes a row. @param schema the type's name in the schema facts */
export const kind = <T extends KubeObject>(name: string, schema: string, row: Row = {}): Line<T> => ({
  kind: name,
  schema,
  ...row,
});

/** The resource of a row. */
export function resource<Id extends string>(id: Id, { version = 'v1', ...line }: Line<KubeObject>): Resource & { id: Id } {
  const [plural = '', ...rest] = id.split('.');
  return {
    id,
    group: (rest[0] === version ? rest.slice(1) : rest).join('.'),
    version,
    kind: line.kind,
    plural,
    singular: line.kind.toLowerCase(),
    namespaced: line.cluster === undefined,
    verbs: line.verbs ?? allVerbs,
    shortNames: line.names ?? [],
    categories: line.categories ?? [],
    subresources: [],
    storagePrefix: `/registry/${line.storage ?? plural}`,
    storedAs: line.storedAs,
    schema: line.schema,
    deprecation: line.deprecation,
    announced: line.announced ?? true,
    returnsDeleted: line.returnsDeleted ?? 'no',
    garbageCollected: line.garbageCollected ?? true,
    priority: undefined,
  };
}
