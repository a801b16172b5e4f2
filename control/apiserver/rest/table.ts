/**
 * `kubectl get`'s view: objects as rows of a Table, and objects reduced to their metadata.
 *
 * Source: kubernetes.io, API concepts ("receiving resources as Tables"); apiserver `pkg/endpoints/handlers/response.go`.
 */
import type { JsonObject, JsonValue } from '#api/json.ts';
import type { KubeObject } from '#api/meta.ts';
import { readQueryOptions } from '#api/query-options.ts';
import { badRequest } from '#api/status.ts';
import type { ListMeta } from '#api/types.generated.ts';
import { unreadable } from '#client/left-out.ts';
import type { Strategy, TableColumns } from '../registry/strategy.ts';

/** What a row holds of its object, as the query's `includeObject` says. */
export type IncludeObject = '' | 'None' | 'Metadata' | 'Object';

/** Reads `includeObject`. @throws ApiError 400 for an unknown value */
export function parseIncludeObject(query: URLSearchParams): IncludeObject {
  const { includeObject: value } = readQueryOptions('TableOptions', query);
  if (!['', 'None', 'Metadata', 'Object'].includes(value))
    throw badRequest(`unrecognized includeObject value: ${JSON.stringify(value)}`);
  return value as IncludeObject;
}

const nameDescription =
  'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names';
const createdDescription =
  'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata';

/** The columns of kinds that declare none. */
const defaultTable: TableColumns<KubeObject> = {
  columns: [
    { name: 'Name', type: 'string', format: 'name', description: nameDescription, priority: 0 },
    { name: 'Created At', type: 'date', format: '', description: createdDescription, priority: 0 },
  ],
  cells: ({ metadata }) => [metadata.name, metadata.creationTimestamp],
};

/** The whole Table. `headers: false` for the later frames of a watch. */
export function toTable(
  strategy: Pick<Strategy, 'table'>,
  objects: readonly KubeObject[],
  metadata: ListMeta,
  { include, headers, version, nowMs }: { include: IncludeObject; headers: boolean; version: string; nowMs: number },
): JsonObject {
  const table = strategy.table ?? defaultTable;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: metadata as JsonObject,
    columnDefinitions: headers ? (table.columns as unknown as JsonValue) : null,
    rows: objects.map((object) => toRow(strategy, object, { include, version, nowMs })),
  };
}

/** One row of {@link toTable}. */
export function toRow(
  { table = defaultTable }: Pick<Strategy, 'table'>,
  object: KubeObject,
  { include, version, nowMs }: { include: IncludeObject; version: string; nowMs: number },
): JsonObject {
  return { cells: cellsOf(table, object, nowMs), object: rowObject(object, include, version) };
}

/** The cells of a row. When computing them fails, the row shows the name only, so that the other rows are shown. */
function cellsOf(table: TableColumns<KubeObject>, object: KubeObject, nowMs: number): JsonValue {
  try {
    return table.cells(object, nowMs) as JsonValue;
  } catch (error) {
    const blank = table.columns.map(() => '<unreadable>');
    return [object.metadata.name, ...blank.slice(2), unreadable(error)].slice(0, table.columns.length);
  }
}

function rowObject(object: KubeObject, include: IncludeObject, version: string): JsonObject | null {
  if (include === 'None') return null;
  return include === 'Object' ? (object as unknown as JsonObject) : toPartialMetadata(object, version);
}

/** The object's metadata alone. */
export function toPartialMetadata(object: KubeObject, version: string): JsonObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${version}`,
    metadata: object.metadata as unknown as JsonObject,
  };
}
