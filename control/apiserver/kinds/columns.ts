/** What several kinds share of the columns that `kubectl get` shows. Source: upstream `pkg/printers/internalversion/printers.go`. */
import type { KubeObject } from '#api/meta.ts';
import type { Container, LabelSelector, ObjectMeta, ReplicaSet, ReplicationController } from '#api/types.generated.ts';
import type { TableColumn, TableColumns } from '../registry/strategy.ts';

const NAME = 'The name of the object, unique among its kind in its namespace.';
const AGE = 'The time since the server created the object.';

/** A column. (kubectl prints its name in upper case.) */
export function column(name: string, description: string, type: TableColumn['type'] = 'string'): TableColumn {
  return { name, type, format: '', description, priority: 0 };
}

/** A column that only `-o wide` shows. */
export function wide(name: string, description: string): TableColumn {
  return { ...column(name, description), priority: 1 };
}

/** The first column of nearly every kind. */
export const nameColumn: TableColumn = { ...column('Name', NAME), format: 'name' };

/** The name, for tables whose first column is something else: only `-o wide` shows it. */
export const wideNameColumn: TableColumn = { ...nameColumn, priority: 1 };

/** How long ago the object was made. */
export const ageColumn: TableColumn = column('Age', AGE);

/** `<unknown>` where the time is absent. */
export function since(time: string | undefined, nowMs: number): string {
  if (time === undefined || time === '') return '<unknown>';
  return humanDuration(nowMs - Date.parse(time));
}

/** The cell of {@link ageColumn}: `5d`, or `<unknown>` for an object without a time of creation. */
export const ageOf = ({ metadata }: { metadata: ObjectMeta }, nowMs: number): string => since(metadata.creationTimestamp, nowMs);

/** Columns of kinds that have no others. */
export const nameAndAgeColumns: TableColumns<KubeObject> = {
  columns: [nameColumn, ageColumn],
  cells: (object, nowMs) => [object.metadata.name, ageOf(object, nowMs)],
};

/** Two or three significant figures: `119s`, `2m`, `9m59s`, `3h`, `7h59m`, `47h`, `2d1h`, `8d`, `2y30d`. Source: apimachinery `pkg/util/duration`. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / 1000);
  if (seconds < -1) return '<invalid>';
  if (seconds < 0) return '0s';
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return twoUnits(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return twoUnits(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 24 * 8) return twoUnits(days, 'd', hours % 24, 'h');
  if (hours < 24 * 365 * 2) return `${days}d`;
  const years = Math.floor(days / 365);
  if (hours < 24 * 365 * 8) return twoUnits(years, 'y', days % 365, 'd');
  return `${years}y`;
}

function twoUnits(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}

/** `web,sidecar` and `nginx:1,envoy:2`. */
export function containerCells(containers: readonly Container[] = []): [names: string, images: string] {
  return [containers.map(({ name }) => name).join(','), containers.map(({ image = '' }) => image).join(',')];
}

/** `app=web,tier in (a,b)`, sorted by key. */
export function selectorText(selector: LabelSelector | undefined): string {
  const labels = Object.entries(selector?.matchLabels ?? {}).map(([key, value]): [string, string] => [key, `${key}=${value}`]);
  const expressions = (selector?.matchExpressions ?? []).map(({ key, operator, values = [] }): [string, string] => {
    const list = `(${[...values].sort().join(',')})`;
    if (operator === 'In') return [key, `${key} in ${list}`];
    if (operator === 'NotIn') return [key, `${key} notin ${list}`];
    return [key, operator === 'Exists' ? key : `!${key}`];
  });
  return [...labels, ...expressions]
    .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([, text]) => text)
    .join(',');
}

/** `app=web,tier=front`, sorted; `<none>` for no labels. */
export function labelsText(labels: Readonly<Record<string, string>> = {}): string {
  const texts = Object.keys(labels)
    .sort()
    .map((key) => `${key}=${labels[key]}`);
  return texts.length === 0 ? '<none>' : texts.join(',');
}

const MAX_LISTED = 3;

/** The first three items, and how many more there are: `a,b,c + 2 more...`. */
export function shortList(items: readonly string[], whenEmpty: string): string {
  const text = items.slice(0, MAX_LISTED).join(',');
  if (items.length > MAX_LISTED) return `${text} + ${items.length - MAX_LISTED} more...`;
  return text === '' ? whenEmpty : text;
}

/** How many keys these maps have together. */
export const keyCount = (...maps: (Record<string, string> | undefined)[]): number =>
  maps.reduce((sum, map) => sum + Object.keys(map ?? {}).length, 0);

/** The wide columns of a kind with a pod template, filled by {@link containerCells} and {@link selectorText}. */
export const templateColumns: readonly TableColumn[] = [
  wide('Containers', 'The names of the containers in the template.'),
  wide('Images', 'The images of the containers in the template.'),
  wide('Selector', 'Which pods belong to it.'),
];

/** The table of the two kinds that keep a number of pods. Their selectors differ in type, so each shows its own. */
export const replicaColumns = <T extends ReplicaSet | ReplicationController>(
  selectorOf: (object: T) => string,
): TableColumns<T> => ({
  columns: [
    nameColumn,
    column('Desired', 'How many pods are wanted.', 'integer'),
    column('Current', 'How many pods there are.', 'integer'),
    column('Ready', 'How many pods are ready.', 'integer'),
    ageColumn,
    ...templateColumns,
  ],
  cells: (object, nowMs) => [
    object.metadata.name,
    object.spec.replicas ?? 0,
    object.status?.replicas ?? 0,
    object.status?.readyReplicas ?? 0,
    ageOf(object, nowMs),
    ...containerCells(object.spec.template?.spec?.containers),
    selectorOf(object),
  ],
});
