/** The columns that a definition adds to `kubectl get`. Source: apiextensions-apiserver `pkg/registry/customresource/tableconvertor`. */
import { stringifyExact } from '#api/int64.ts';
import type { JsonValue } from '#api/json.ts';
import { type JsonPath, JsonPathError, parseJsonPath } from '#api/json-path.ts';
import type { KubeObject } from '#api/meta.ts';
import { canonicalTime, TimeError } from '#api/time.ts';
import type { CustomResourceColumnDefinition } from '#api/types.generated.ts';
import { humanDuration, nameColumn } from '../kinds/columns.ts';
import type { TableColumn, TableColumns } from '../registry/strategy.ts';

/** What kinds show whose definition says nothing. */
const defaultColumns: readonly CustomResourceColumnDefinition[] = [
  {
    name: 'Age',
    type: 'date',
    description:
      'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata',
    jsonPath: '.metadata.creationTimestamp',
  },
];

interface Read {
  column: TableColumn;
  path: JsonPath;
}

/** The table of a kind, read when it is first shown. With a path that cannot be read it shows names only, as upstream. */
export function tableOf(given: readonly CustomResourceColumnDefinition[] | undefined): TableColumns<KubeObject> {
  let read: readonly Read[] | undefined;
  const columns = (): readonly Read[] =>
    (read ??= readColumns(given === undefined || given.length === 0 ? defaultColumns : given));
  return {
    get columns() {
      return [nameColumn, ...columns().map(({ column }) => column)];
    },
    cells: (object, nowMs) => [
      object.metadata.name,
      ...columns().map(({ column: { type }, path }) => cell(type, path.first(object as unknown as JsonValue), nowMs)),
    ],
  };
}

function readColumns(given: readonly CustomResourceColumnDefinition[]): readonly Read[] {
  try {
    return given.map(({ name, type, format = '', description = '', priority = 0, jsonPath }) => ({
      column: {
        name,
        type: type as TableColumn['type'],
        format,
        description: description === '' ? `Custom resource definition column (in JSONPath format): ${jsonPath}` : description,
        priority,
      },
      path: parseJsonPath(jsonPath),
    }));
  } catch (error) {
    if (error instanceof JsonPathError) return [];
    throw error;
  }
}

function cell(type: string, value: JsonValue | undefined, nowMs: number): string | number | boolean | null {
  if (value === undefined || value === null) return null;
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  switch (type) {
    case 'string':
      return typeof value === 'string' ? value : stringifyExact(value);
    case 'integer':
      return isNumber ? Math.trunc(Number(value)) : null;
    case 'number':
      return isNumber ? Number(value) : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value === 'string' ? age(value, nowMs) : null;
    default:
      return null;
  }
}

function age(text: string, nowMs: number): string {
  try {
    return humanDuration(nowMs - Date.parse(canonicalTime(text)));
  } catch (error) {
    if (error instanceof TimeError) return '<invalid>';
    throw error;
  }
}
