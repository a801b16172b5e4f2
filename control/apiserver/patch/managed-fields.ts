/**
 * `metadata.managedFields`: who set which field, and server-side apply, which decides by it.
 *
 * Source: KEP-555; apimachinery `pkg/util/managedfields` (texts, stripped fields, the limit of entries).
 */

import type { JsonObject, JsonValue } from '#api/json.ts';
import { isJsonObject } from '#api/json.ts';
import { rfc3339 } from '#api/meta.ts';
import { badRequest, failure } from '#api/status.ts';
import type { ManagedFieldsEntry } from '#api/types.generated.ts';
import {
  difference,
  emptySet,
  type FieldSet,
  fromFieldsV1,
  insert,
  intersection,
  isEmpty,
  members,
  onlyBranches,
  pathText,
  sameSet,
  subset,
  toFieldsV1,
  union,
  withNamedFields,
  withoutBranch,
} from './field-set.ts';
import { fieldsOfClientSideApply, withLastApplied } from './last-applied.ts';
import type { ApplyRequest, FieldPath, ResetFields, TrackRequest } from './patch.ts';
import { compare, fieldsOf, mergeValues, removeFields, typedRoot } from './typed-value.ts';
import { changesByVersion, hasVersions, inVersion, type Versioned, type VersionedComparison } from './versions.ts';

/** Fields that are never recorded: the object's identity, and fields that only the server writes. */
const unowned: readonly FieldPath[] = [
  ['f:apiVersion'],
  ['f:kind'],
  ...['name', 'namespace', 'creationTimestamp', 'selfLink', 'uid', 'generation', 'resourceVersion', 'managedFields'].map(
    (name) => ['f:metadata', `f:${name}`],
  ),
];

/** The manager that gets the existing fields when an object without managedFields is applied for the first time. */
const earlierManager = 'before-first-apply';

/** Entries of operation Update beyond this number are folded together, the oldest first. */
const maxUpdateManagers = 10;
const foldedManager = 'ancient-changes';

interface Manager {
  entry: ManagedFieldsEntry;
  set: FieldSet;
}

/** Records a create, update or patch in the object's managedFields, in place. Like {@link ObjectPatcher.trackManagedFields}. */
export function trackUpdate({ object, live, typeName, fieldManager, subresource, resetFields, nowMs }: TrackRequest): void {
  const stored = entriesBefore(object.metadata.managedFields, live?.metadata.managedFields ?? [], subresource);
  const managers = readManagers(stored);
  const changesIn = changesByVersion(comparable(live), comparable(object) ?? {}, typeName);
  const changedIn = ({ added, modified }: VersionedComparison): FieldSet =>
    ownable(union(added, modified), subresource, resetFields);
  const self = entryOf(fieldManager, 'Update', object.apiVersion, subresource);
  for (const [key, manager] of managers) {
    const changes = changesIn(manager.entry.apiVersion ?? '');
    if (changes === undefined) {
      // This version is no longer served, so its fields cannot be compared: drop the entry.
      managers.delete(key);
      continue;
    }
    const taken = key === keyOfEntry(self) ? emptySet() : changedIn(changes);
    manager.set = difference(difference(manager.set, taken), changes.removed);
  }
  const own = changesIn(object.apiVersion);
  if (own !== undefined) extend(managers, self, changedIn(own), nowMs);
  const entries = writeManagers(managers, stored, nowMs);
  if (entries.length > 0) object.metadata.managedFields = entries;
  else delete object.metadata.managedFields;
}

/**
 * The entries that a write starts from. A client may change them: kubectl hands fields from client-side to server-side apply, and an empty
 * list or one empty entry resets them. When it sends none, sends some that cannot be read, or writes a subresource, the stored ones count.
 */
function entriesBefore(
  sent: readonly ManagedFieldsEntry[] | undefined,
  live: readonly ManagedFieldsEntry[],
  subresource: string,
): readonly ManagedFieldsEntry[] {
  if (sent === undefined || subresource !== '') return live;
  const isReset = sent.length === 0 || (sent.length === 1 && Object.keys(sent[0] ?? {}).length === 0);
  if (isReset) return [];
  return sent.every(isReadable) ? sent : live;
}

function isReadable({ operation, fieldsType, fieldsV1 }: ManagedFieldsEntry): boolean {
  const isKnown = (operation === 'Apply' || operation === 'Update') && fieldsType === 'FieldsV1';
  return isKnown && (fieldsV1 === undefined || isFieldsV1(fieldsV1 as JsonValue));
}

function isFieldsV1(value: JsonValue | undefined): boolean {
  if (!isJsonObject(value)) return false;
  return Object.entries(value).every(([element, below]) => (element === '.' || isPathElement(element)) && isFieldsV1(below));
}

function isPathElement(element: string): boolean {
  if (element.startsWith('f:')) return true;
  if (!element.startsWith('k:') && !element.startsWith('v:')) return false;
  try {
    const value = JSON.parse(element.slice(2)) as JsonValue;
    return element.startsWith('v:') || isJsonObject(value);
  } catch {
    return false; // No JSON, so no path element.
  }
}

/**
 * @throws ApiError 409 that names every field that another manager holds at another value; 400 when the configuration says who
 * manages what
 */
export function applyConfiguration(request: ApplyRequest): JsonObject {
  if ((asObject(request.configuration['metadata'])['managedFields'] ?? null) !== null)
    throw badRequest('metadata.managedFields must be nil');
  const { configuration, live, typeName, fieldManager, subresource, resetFields, nowMs } = request;
  const root = typedRoot(typeName);
  const stored = live?.metadata.managedFields ?? [];
  const managers = readManagers(stored);
  const before = comparable(live);
  const apiVersion = String(configuration['apiVersion']);
  if (managers.size === 0 && before !== undefined) {
    const earlier = entryOf(earlierManager, 'Update', apiVersion, subresource);
    extend(managers, earlier, ownable(compare({}, before, root).added, subresource, resetFields), nowMs);
  }
  const self = entryOf(fieldManager, 'Apply', apiVersion, subresource);
  const applied = ownable(fieldsOf(comparable(configuration) ?? {}, root), subresource, resetFields);
  const last = managers.get(keyOfEntry(self));
  managers.delete(keyOfEntry(self));
  const merged = asObject(mergeValues(before ?? {}, comparable(configuration) ?? {}, root));
  const held = fieldsByVersion([...managers.values()], apiVersion, fieldsOf(comparable(configuration) ?? {}, root));
  const result = pruned({ object: merged, typeName }, apiVersion, last, held);
  const changesIn = changesByVersion(before, result, typeName);
  for (const [key, { entry }] of managers) if (changesIn(entry.apiVersion ?? '') === undefined) managers.delete(key);
  resolveConflicts(request, managers, ({ entry }) => {
    const {
      added,
      modified,
      typeName: type,
    } = changesIn(entry.apiVersion ?? '') ?? { added: emptySet(), modified: emptySet(), typeName };
    const changed = union(added, modified);
    return type === typeName ? intersection(changed, applied) : changed;
  });
  for (const manager of managers.values())
    manager.set = difference(manager.set, changesIn(manager.entry.apiVersion ?? '')?.removed ?? emptySet());
  managers.set(keyOfEntry(self), { entry: { ...(last?.entry ?? self), apiVersion }, set: applied });
  const metadata = {
    ...asObject(withLastApplied(request, result)['metadata']),
    managedFields: writeManagers(managers, stored, nowMs) as unknown as JsonValue,
  };
  return { ...result, metadata };
}

/** The fields that the managers of each version own together; of `apiVersion` also those that are applied now. */
function fieldsByVersion(others: readonly Manager[], apiVersion: string, applied: FieldSet): Map<string, FieldSet> {
  const held = new Map([[apiVersion, applied]]);
  for (const { entry, set } of others) {
    const version = entry.apiVersion ?? '';
    held.set(version, union(held.get(version), set));
  }
  return held;
}

/**
 * The merged object without the fields that this manager applied last time and nobody owns any more. They are computed in the version in
 * which they were applied; fields that managers of other versions own there stay.
 */
function pruned(
  merged: Versioned,
  apiVersion: string,
  last: Manager | undefined,
  held: ReadonlyMap<string, FieldSet>,
): JsonObject {
  if (last === undefined || isEmpty(last.set)) return merged.object;
  const root = typedRoot(merged.typeName);
  const lastVersion = last.entry.apiVersion ?? '';
  if (!hasVersions(merged.typeName) || (lastVersion === apiVersion && held.size === 1))
    return asObject(removeFields(merged.object, droppedPlaces(last.set, [...held.values()].reduce(union)), root));
  const before = inVersion(merged, lastVersion);
  if (before === undefined) return merged.object;
  const dropped = droppedPlaces(last.set, held.get(lastVersion) ?? emptySet());
  let after: Versioned = { ...before, object: asObject(removeFields(before.object, dropped, typedRoot(before.typeName))) };
  for (const [version, set] of held) {
    const [whole, less] = [inVersion(before, version), inVersion(after, version)];
    if (version === lastVersion || whole === undefined || less === undefined) continue;
    const there = typedRoot(whole.typeName);
    const named = (object: JsonObject): FieldSet => withNamedFields(fieldsOf(object, there));
    const gone = difference(difference(named(whole.object), named(less.object)), withNamedFields(set));
    after = inVersion({ ...whole, object: asObject(removeFields(whole.object, gone, there)) }, lastVersion) ?? after;
  }
  return inVersion(after, apiVersion)?.object ?? merged.object;
}

/**
 * With `force`, other managers lose the fields that change. Without it, a changed field of another manager is a conflict.
 * @throws ApiError 409
 */
function resolveConflicts(
  request: ApplyRequest,
  others: ReadonlyMap<string, Manager>,
  changedFor: (manager: Manager) => FieldSet,
): void {
  const conflicts: { manager: Manager; set: FieldSet }[] = [];
  for (const manager of others.values()) {
    const set = intersection(manager.set, changedFor(manager));
    if (!isEmpty(set)) conflicts.push({ manager, set });
  }
  if (!request.force) {
    const own = fieldsOfClientSideApply(request);
    const refused = conflicts
      .map(({ manager, set }) => ({ manager, set: difference(set, own) }))
      .filter(({ set }) => !isEmpty(set));
    if (refused.length > 0) throw conflictError(refused);
  }
  for (const { manager, set } of conflicts) manager.set = difference(manager.set, set);
}

/** How many conflicts an answer lists; upstream lists all, which may be tens of thousands. */
const maxConflicts = 1000;

function conflictError(conflicts: readonly { manager: Manager; set: FieldSet }[]): ReturnType<typeof failure> {
  const all = conflicts.flatMap(({ manager: { entry }, set }) => {
    const part = entry.subresource === undefined || entry.subresource === '' ? '' : ` with subresource "${entry.subresource}"`;
    const version = entry.operation === 'Update' ? ` using ${entry.apiVersion}` : '';
    const message = `conflict with "${entry.manager}"${part}${version}`;
    return [...members(set)].map((path) => ({ reason: 'FieldManagerConflict', message, field: pathText(path) }));
  });
  const causes = all.slice(0, maxConflicts);
  const groups = Map.groupBy(causes, ({ message }) => message);
  const texts = [...groups].map(([message, list]) =>
    list.length === 1
      ? `${message}: ${list[0]?.field}`
      : `${message.replace(/^conflict/, 'conflicts')}:\n${list.map(({ field }) => `- ${field}`).join('\n')}`,
  );
  const count = `${all.length} conflict${all.length === 1 ? '' : 's'}`;
  const more = all.length > causes.length ? '\n…' : '';
  return failure(409, 'Conflict', `Apply failed with ${count}: ${texts.join('\n')}${more}`, { causes });
}

/**
 * The fields to remove because their last owner no longer applies them: fields, list elements, and the structs around them (otherwise
 * defaults would stay behind in an empty struct). A field stays while somebody owns anything below it; a list element is removed unless
 * somebody owns the element itself.
 */
function droppedPlaces(last: FieldSet, kept: FieldSet): FieldSet {
  const result = emptySet();
  const stays = withNamedFields(kept);
  for (const path of members(withNamedFields(last))) {
    const keptHere = subset(stays, path);
    const isField = path.at(-1)?.startsWith('f:') === true;
    if (keptHere?.member !== true && (!isField || isEmpty(keptHere))) insert(result, path);
  }
  return result;
}

function extend(managers: Map<string, Manager>, self: ManagedFieldsEntry, changed: FieldSet, nowMs: number): void {
  if (isEmpty(changed)) return;
  const key = keyOfEntry(self);
  const found = managers.get(key);
  managers.set(key, { entry: { ...(found?.entry ?? self), time: rfc3339(nowMs) }, set: union(found?.set, changed) });
}

/** The fields of the set that a write to this endpoint may own: without identity, and without what the kind's strategy resets. */
function ownable(set: FieldSet, subresource: string, own: ResetFields | undefined): FieldSet {
  const { fields = [], allBut } = own ?? { fields: usuallyReset[subresource] };
  const part = allBut === undefined ? set : allBut.map((path) => onlyBranches(set, path)).reduce(union, emptySet());
  const owned = [...unowned, ...fields].reduce(withoutBranch, part);
  const metadata = owned.children.get('f:metadata');
  if (metadata?.member !== true) return { member: false, children: owned.children };
  const children = new Map(owned.children).set('f:metadata', { member: false, children: metadata.children });
  return { member: false, children };
}

/** What most kinds reset, by subresource: the status is written at `/status` only, and nothing else is written there. */
const usuallyReset: Readonly<Record<string, readonly FieldPath[]>> = {
  '': [['f:status']],
  finalize: [['f:status']],
  status: [['f:spec']],
};

/** The object without its managedFields, which are not recorded themselves. */
function comparable(object: unknown): JsonObject | undefined {
  if (object === undefined) return undefined;
  const { metadata, ...rest } = object as JsonObject;
  const { managedFields: _, ...meta } = asObject(metadata);
  return { ...rest, metadata: meta };
}

function asObject(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function entryOf(manager: string, operation: 'Apply' | 'Update', apiVersion: string, subresource: string): ManagedFieldsEntry {
  return { manager, operation, apiVersion, ...(subresource === '' ? {} : { subresource }) };
}

/** The key of an entry's manager. The version is not part of it for Apply: an applier stays the same in whatever version it applies. */
function keyOfEntry({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  return JSON.stringify([manager, operation, operation === 'Apply' ? '' : apiVersion, subresource ?? '']);
}

function readManagers(entries: readonly ManagedFieldsEntry[]): Map<string, Manager> {
  return new Map(entries.map((entry) => [keyOfEntry(entry), { entry, set: fromFieldsV1(entry.fieldsV1 ?? {}) }]));
}

/**
 * The entries to store, sorted as upstream does: Apply before Update, then by time and name. An entry keeps its time while its fields stay
 * the same.
 */
function writeManagers(
  managers: Map<string, Manager>,
  stored: readonly ManagedFieldsEntry[],
  nowMs: number,
): ManagedFieldsEntry[] {
  const storedSets = new Map(
    stored.map((entry) => [keyOfEntry(entry), { time: entry.time, set: fromFieldsV1(entry.fieldsV1 ?? {}) }]),
  );
  const kept = fold([...managers.values()].filter(({ set }) => !isEmpty(set)));
  const entries = kept.map(({ entry, set }): ManagedFieldsEntry => {
    const old = storedSets.get(keyOfEntry(entry));
    const time = old !== undefined && sameSet(old.set, set) ? old.time : rfc3339(nowMs);
    const { manager, operation, apiVersion, subresource } = entry;
    const identity = { manager, operation, apiVersion, time, fieldsType: 'FieldsV1', fieldsV1: toFieldsV1(set) };
    return subresource === undefined ? identity : { ...identity, subresource };
  });
  const rank = (entry: ManagedFieldsEntry): string =>
    `${entry.operation === 'Apply' ? 0 : 1} ${entry.time ?? ''} ${entry.manager ?? ''} ${entry.subresource ?? ''}`;
  return entries.sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

/**
 * Joins the oldest entries of operation Update: many updaters (a controller with a new name per version) would make objects grow without
 * end.
 */
function fold(managers: Manager[]): Manager[] {
  const updaters = managers.filter(({ entry }) => entry.operation === 'Update');
  if (updaters.length <= maxUpdateManagers) return managers;
  const oldest = updaters
    .sort((a, b) => ((a.entry.time ?? '') < (b.entry.time ?? '') ? -1 : 1))
    .slice(0, updaters.length - maxUpdateManagers + 1);
  const apiVersion = oldest.at(-1)?.entry.apiVersion ?? '';
  const folded: Manager = {
    entry: entryOf(foldedManager, 'Update', apiVersion, ''),
    set: oldest.map(({ set }) => set).reduce(union),
  };
  const gone = new Set(oldest);
  return [...managers.filter((manager) => !gone.has(manager)), folded];
}
