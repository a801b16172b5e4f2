/**
 * PersistentVolumes, ordered so that the one for a claim is found without looking at all of them: the volume that is reserved for the
 * claim, or else the smallest that is large enough. Controller and scheduler have one each.
 *
 * Source: component-helpers `storage/volume/pv_helpers.go` (FindMatchingVolume); kubernetes
 * `pkg/controller/volume/persistentvolume/index.go`.
 */
import type { NodeIdentity } from '../pod/node-selector.ts';
import { compareQuantity, type ParsedQuantity, parseQuantity } from '../quantity.ts';
import { type LabelMatcher, labelMatcher, matchesLabels } from '../selector.ts';
import type { PersistentVolume, PersistentVolumeClaim } from '../types.generated.ts';
import {
  claimKeyOf,
  classOf,
  isBoundToClaim,
  requestedStorage,
  volumeCapacity,
  volumeFitsNode,
  volumeModeOf,
} from './binding.ts';

/** How to look for a volume. */
export interface MatchOptions {
  /** The scheduler's question: a volume that pods on this node can use. Absent: the controller's. */
  node?: Pick<NodeIdentity, 'labels'> | undefined;
  /** Names of volumes that are spoken for: the scheduler's choice for other claims of the pod. */
  excluded?: ReadonlySet<string> | undefined;
  /** The controller leaves the choice to the scheduler: only a volume that is reserved for the claim is found. */
  delayBinding?: boolean | undefined;
}

interface Entry {
  volume: PersistentVolume;
  capacity: ParsedQuantity;
  group: Group;
}

/** The volumes with one set of access modes. */
interface Group {
  modes: ReadonlySet<string>;
  /** By the key of the claim that they name. */
  claimed: Map<string, Map<string, Entry>>;
  /** Available ones by class, mode and attributes class: by capacity, then by name. */
  available: Map<string, Entry[]>;
}

/** An index of volumes. Volumes are shared, never changed. */
export class VolumeIndex {
  readonly #entries = new Map<string, Entry>();
  readonly #groups = new Map<string, Group>();

  /** Adds the volume, in place of the one of its name. @throws QuantityError its capacity cannot be read: it is not in the index then */
  put(volume: PersistentVolume): void {
    const { name } = volume.metadata;
    this.remove(name);
    const capacity = parseQuantity(volumeCapacity(volume));
    const modes = [...new Set(volume.spec.accessModes)].sort();
    const group = getOrMake(this.#groups, modes.join(','), () => ({
      modes: new Set(modes),
      claimed: new Map(),
      available: new Map(),
    }));
    const entry: Entry = { volume, capacity, group };
    this.#entries.set(name, entry);
    const key = claimKeyOf(volume);
    if (key !== undefined) getOrMake(group.claimed, key, () => new Map<string, Entry>()).set(name, entry);
    else if (isAvailable(volume))
      insert(
        getOrMake(group.available, kindOf(volume), () => []),
        entry,
      );
  }

  remove(name: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    this.#entries.delete(name);
    const { volume, group } = entry;
    const key = claimKeyOf(volume);
    if (key === undefined) {
      const list = group.available.get(kindOf(volume));
      const at = list === undefined ? -1 : positionOf(list, entry);
      if (list?.[at] === entry) list.splice(at, 1);
      return;
    }
    const claimed = group.claimed.get(key);
    claimed?.delete(name);
    if (claimed?.size === 0) group.claimed.delete(key);
  }

  get(name: string): PersistentVolume | undefined {
    return this.#entries.get(name)?.volume;
  }

  /** All volumes, in no order. */
  *all(): Iterable<PersistentVolume> {
    for (const { volume } of this.#entries.values()) yield volume;
  }

  /**
   * The volume for the claim, if there is one. For the controller, volumes with the fewest access modes go first; for the scheduler (with a
   * node) only the size counts, and a reserved volume that the node cannot use means that there is none. Of equals the first by name.
   * @throws QuantityError, SelectorError the claim cannot be read
   */
  find(claim: PersistentVolumeClaim, { node, excluded, delayBinding = false }: MatchOptions = {}): PersistentVolume | undefined {
    const wanted = wantedOf(claim, node, excluded);
    if (node === undefined) return this.#findForController(wanted, delayBinding);
    const reserved = [...this.#groups.values()].flatMap((group) => reservedIn(group, wanted));
    if (reserved.length > 0) return reserved.find(({ volume }) => volumeFitsNode(volume, node))?.volume;
    let best: Entry | undefined;
    for (const group of this.#groups.values()) {
      const found = hasAll(group, claim) ? smallestIn(group, wanted) : undefined;
      if (found !== undefined && (best === undefined || compareEntries(found, best) < 0)) best = found;
    }
    return best?.volume;
  }

  #findForController(wanted: Wanted, delayBinding: boolean): PersistentVolume | undefined {
    const groups = [...this.#groups.values()]
      .filter((group) => hasAll(group, wanted.claim))
      .sort((a, b) => a.modes.size - b.modes.size);
    return firstOf(groups, (group) => reservedIn(group, wanted)[0] ?? (delayBinding ? undefined : smallestIn(group, wanted)))
      ?.volume;
  }
}

/** The parsed requirements of a claim. */
interface Wanted {
  claim: PersistentVolumeClaim;
  key: string;
  kind: string;
  mode: string;
  attributesClass: string;
  capacity: ParsedQuantity;
  selector: LabelMatcher | undefined;
  node: Pick<NodeIdentity, 'labels'> | undefined;
  excluded: ReadonlySet<string> | undefined;
}

function wantedOf(claim: PersistentVolumeClaim, node: Wanted['node'], excluded: Wanted['excluded']): Wanted {
  const { metadata, spec } = claim;
  return {
    claim,
    key: `${metadata.namespace ?? ''}/${metadata.name}`,
    kind: kindOf(claim),
    mode: volumeModeOf(claim),
    attributesClass: spec?.volumeAttributesClassName ?? '',
    capacity: parseQuantity(requestedStorage(claim)),
    selector: spec?.selector === undefined ? undefined : labelMatcher(spec.selector),
    node,
    excluded,
  };
}

function reservedIn({ claimed }: Group, { claim, key, capacity, mode, attributesClass, excluded }: Wanted): Entry[] {
  return [...(claimed.get(key)?.values() ?? [])].filter(
    ({ volume, ...entry }) =>
      excluded?.has(volume.metadata.name) !== true &&
      isBoundToClaim(volume, claim) &&
      compareQuantity(entry.capacity, capacity) >= 0 &&
      volumeModeOf(volume) === mode &&
      (volume.spec.volumeAttributesClassName ?? '') === attributesClass &&
      volume.metadata.deletionTimestamp === undefined,
  );
}

function smallestIn({ available }: Group, { kind, capacity, selector, node, excluded }: Wanted): Entry | undefined {
  const list = available.get(kind) ?? [];
  for (let at = firstOfSize(list, capacity); at < list.length; at++) {
    const entry = list[at] as Entry;
    const { metadata } = entry.volume;
    if (excluded?.has(metadata.name) === true) continue;
    if (selector !== undefined && !matchesLabels(selector, metadata.labels)) continue;
    if (node === undefined || volumeFitsNode(entry.volume, node)) return entry;
  }
  return undefined;
}

const hasAll = ({ modes }: Group, { spec }: PersistentVolumeClaim): boolean =>
  (spec?.accessModes ?? []).every((mode) => modes.has(mode));

/** Only Available volumes are chosen. Binding one that is not Available yet would most likely fail. */
const isAvailable = ({ status, metadata }: PersistentVolume): boolean =>
  status?.phase === 'Available' && metadata.deletionTimestamp === undefined;

const kindOf = (object: PersistentVolume | PersistentVolumeClaim): string =>
  JSON.stringify([classOf(object), volumeModeOf(object), object.spec?.volumeAttributesClassName ?? '']);

function compareEntries(a: Entry, b: Entry): number {
  const bySize = compareQuantity(a.capacity, b.capacity);
  if (bySize !== 0) return bySize;
  return a.volume.metadata.name < b.volume.metadata.name ? -1 : a.volume.metadata.name === b.volume.metadata.name ? 0 : 1;
}

/** The first position for which `isBefore` is false. */
function search(list: readonly Entry[], isBefore: (entry: Entry) => boolean): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(list[middle] as Entry)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const positionOf = (list: readonly Entry[], entry: Entry): number => search(list, (other) => compareEntries(other, entry) < 0);
const firstOfSize = (list: readonly Entry[], capacity: ParsedQuantity): number =>
  search(list, (other) => compareQuantity(other.capacity, capacity) < 0);

function insert(list: Entry[], entry: Entry): void {
  list.splice(positionOf(list, entry), 0, entry);
}

function getOrMake<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

function firstOf<T, R>(list: readonly T[], read: (one: T) => R | undefined): R | undefined {
  for (const one of list) {
    const found = read(one);
    if (found !== undefined) return found;
  }
  return undefined;
}
