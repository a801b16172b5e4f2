/**
 * The true state of a world: every object of the store, updated with each change and without a cache in between. Invariants check this
 * model, not the view of a controller or of the API server.
 */
import { controllerOf, type KubeObject, keyOf } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { StoreEntry, StoreEvent } from '#control/store/store.ts';
import type { Exchange } from './network.ts';

/** One change of the store. */
export interface Change {
  kind: 'created' | 'updated' | 'deleted';
  /** The folder of the store: `pods`, `deployments`. */
  folder: string;
  /** The new object; for a deletion, its last version. */
  object: KubeObject;
  previous: KubeObject | undefined;
  /** The requests under way for this object or its collection. One of them has made the change. */
  by: readonly Exchange[];
}

/** The folders that the model follows. Invariants do not need events, leases and bootstrap objects. */
const followed: ReadonlySet<string> = new Set([
  'pods',
  'deployments',
  'replicasets',
  'controllers',
  'statefulsets',
  'daemonsets',
  'jobs',
  'cronjobs',
  'controllerrevisions',
  'poddisruptionbudgets',
  'resourcequotas',
  'configmaps',
  'namespaces',
  'minions',
  'services',
  'endpointslices',
]);

const decoder = new TextDecoder();
const decode = ({ value }: StoreEntry): KubeObject => JSON.parse(decoder.decode(value)) as KubeObject;

/** The objects, and the listeners of their changes. */
export class Model {
  readonly #folders = new Map<string, Map<string, KubeObject>>();
  readonly #byUid = new Map<string, KubeObject>();
  readonly #listeners: ((change: Change) => void)[] = [];
  readonly #inFlight: () => Iterable<Exchange>;

  /** @param inFlight the requests that are being served */
  constructor(entries: readonly StoreEntry[], inFlight: () => Iterable<Exchange>) {
    this.#inFlight = inFlight;
    for (const entry of entries) {
      const folder = folderOf(entry.key);
      if (followed.has(folder)) this.#set(folder, decode(entry));
    }
  }

  onChange(listener: (change: Change) => void): void {
    this.#listeners.push(listener);
  }

  /** All objects of a folder, in the order of their creation. */
  all<T extends KubeObject = KubeObject>(folder: string): T[] {
    return [...(this.#folders.get(folder)?.values() ?? [])] as T[];
  }

  count(folder: string): number {
    return this.#folders.get(folder)?.size ?? 0;
  }

  pods(): Pod[] {
    return this.all<Pod>('pods');
  }

  get<T extends KubeObject = KubeObject>(folder: string, key: string): T | undefined {
    return this.#folders.get(folder)?.get(key) as T | undefined;
  }

  byUid(uid: string): KubeObject | undefined {
    return this.#byUid.get(uid);
  }

  /** The pods that this object controls. */
  podsOf({ metadata: { uid } }: KubeObject): Pod[] {
    return this.pods().filter((pod) => controllerOf(pod)?.uid === uid);
  }

  /** Applies a change and notifies the listeners. */
  committed({ type, entry }: StoreEvent): void {
    const folder = folderOf(entry.key);
    if (!followed.has(folder)) return;
    const object = decode(entry);
    const previous = this.#folders.get(folder)?.get(keyOf(object));
    if (type === 'put') this.#set(folder, object);
    else {
      this.#folders.get(folder)?.delete(keyOf(object));
      this.#byUid.delete(object.metadata.uid);
    }
    const kind = type === 'delete' ? 'deleted' : previous === undefined ? 'created' : 'updated';
    const { name } = object.metadata;
    const by = [...this.#inFlight()].filter(
      ({ request }) =>
        request.method !== 'GET' &&
        (request.path.includes(`/${name}`) || request.method === 'POST' || request.path.endsWith(`/${folder}`)),
    );
    for (const listener of this.#listeners) listener({ kind, folder, object, previous, by });
  }

  #set(folder: string, object: KubeObject): void {
    let objects = this.#folders.get(folder);
    if (objects === undefined) {
      objects = new Map();
      this.#folders.set(folder, objects);
    }
    objects.set(keyOf(object), object);
    this.#byUid.set(object.metadata.uid, object);
  }
}

/** `/registry/services/specs/default/web` → `services`; `/registry/pods/default/p` → `pods`. */
function folderOf(key: string): string {
  const [, , folder = '', second] = key.split('/');
  if (folder === 'services' && second !== 'specs') return `services/${second}`;
  return folder;
}
