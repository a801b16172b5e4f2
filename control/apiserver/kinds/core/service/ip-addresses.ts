/**
 * The owners of cluster IPs: one IPAddress object per address, each with its own key in the store. The store creates a key only once, so
 * two API servers cannot allocate an address twice.
 *
 * Source: KEP-1880; upstream `pkg/registry/core/service/ipallocator/ipallocator.go`, `pkg/registry/networking/ipaddress`.
 */
import { randomUUID } from 'node:crypto';
import { parseExact } from '#api/int64.ts';
import { familyOf } from '#api/ip.ts';
import { rfc3339 } from '#api/meta.ts';
import { shape } from '#api/schema/shape.ts';
import type { IPAddress, Service } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import type { Store, StoreEntry } from '#control/store/store.ts';
import { toStored } from '../../../registry/object-keys.ts';

const prefix = '/registry/ipaddresses/';
const familyLabel = 'ipaddress.kubernetes.io/ip-family';
const managedByLabel = 'ipaddress.kubernetes.io/managed-by';
const manager = 'ipallocator.k8s.io';

/** An allocated address. */
export interface TakenIp {
  ip: string;
  createRevision: number;
  modRevision: number;
  /** Undefined when the stored value cannot be decoded, so its owner is unknown. */
  object: IPAddress | undefined;
}

/** The service that owns an address. */
export type Owner = Pick<Service, 'metadata'>;

/**
 * The IPAddress objects of services in the store. Creating one allocates the address: of two servers that try at once, only one succeeds.
 * @throws (its methods) StoreError
 */
export class IpAddresses {
  readonly #store: Store;
  readonly #clock: Clock;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** Allocates the address for the service, or returns its current owner. @throws StoreError */
  async create(ip: string, owner: Owner): Promise<{ kind: 'ok'; revision: number } | { kind: 'taken'; by: TakenIp | undefined }> {
    const result = await this.#store.put(prefix + ip, this.#valueFor(ip, owner), { expectedRevision: 0 });
    if (result.kind === 'ok') return { kind: 'ok', revision: result.revision };
    return { kind: 'taken', by: result.current === undefined ? undefined : takenIp(result.current) };
  }

  /** Assigns the address to the service. Returns false when the object has changed since it was read. @throws StoreError */
  async reassign({ ip, modRevision }: TakenIp, owner: Owner): Promise<boolean> {
    const result = await this.#store.put(prefix + ip, this.#valueFor(ip, owner), { expectedRevision: modRevision });
    return result.kind === 'ok';
  }

  /** Removes the address. Returns false when the object has changed since it was read. @throws StoreError */
  async remove({ ip, modRevision }: Pick<TakenIp, 'ip' | 'modRevision'>): Promise<boolean> {
    return (await this.#store.delete(prefix + ip, { expectedRevision: modRevision })).kind === 'ok';
  }

  /** @throws StoreError */
  async get(ip: string): Promise<TakenIp | undefined> {
    const { entry } = await this.#store.get(prefix + ip);
    return entry === undefined ? undefined : takenIp(entry);
  }

  /** All IPAddresses, of any manager. @throws StoreError */
  async list(): Promise<TakenIp[]> {
    return (await this.#store.range({ prefix })).entries.map(takenIp);
  }

  #valueFor(ip: string, owner: Owner): Uint8Array {
    const now = rfc3339(this.#clock.now());
    const address = {
      kind: 'IPAddress',
      apiVersion: 'networking.k8s.io/v1',
      metadata: {
        name: ip,
        uid: randomUUID(),
        creationTimestamp: now,
        labels: { [familyLabel]: familyOf(ip), [managedByLabel]: manager },
        managedFields: [
          {
            manager: 'kube-apiserver',
            operation: 'Update',
            apiVersion: 'networking.k8s.io/v1',
            time: now,
            fieldsType: 'FieldsV1',
            fieldsV1: ownedFields,
          },
        ],
      },
      spec: { parentRef: { resource: 'services', namespace: owner.metadata.namespace, name: owner.metadata.name } },
    };
    // The type requires a resourceVersion, but the store keeps it outside of the value.
    return toStored(address as unknown as IPAddress);
  }
}

const ownedFields = {
  'f:metadata': { 'f:labels': { '.': {}, [`f:${familyLabel}`]: {}, [`f:${managedByLabel}`]: {} } },
  'f:spec': { 'f:parentRef': { '.': {}, 'f:name': {}, 'f:namespace': {}, 'f:resource': {} } },
};

function takenIp({ key, value, createRevision, modRevision }: StoreEntry): TakenIp {
  return { ip: key.slice(prefix.length), createRevision, modRevision, object: parse(value) };
}

function parse(value: Uint8Array): IPAddress | undefined {
  try {
    const object = parseExact(Buffer.from(value).toString('utf8')) as IPAddress;
    shape('networking/v1.IPAddress', object);
    return typeof object.metadata === 'object' ? object : undefined;
  } catch {
    // The repair loop replaces it for the service that uses the address.
    return undefined;
  }
}

/** Whether the parentRef refers to a Service. */
export function refersToService(object: IPAddress): boolean {
  const { group = '', resource } = object.spec?.parentRef ?? { resource: '' };
  return group === '' && resource === 'services';
}

/** Whether the address belongs to this service, by namespace and name. */
export function refersTo(object: IPAddress | undefined, { metadata }: Owner): boolean {
  if (object === undefined || !refersToService(object)) return false;
  const { namespace = '', name } = object.spec.parentRef;
  return namespace === metadata.namespace && name === metadata.name;
}

/** Whether the service allocator made the object. Repair must not remove addresses of other managers. */
export const isOurs = (object: IPAddress): boolean => object.metadata.labels?.[managedByLabel] === manager;

/** Whether it has both labels that the allocator of its family sets. */
export const hasOurLabels = (object: IPAddress): boolean =>
  isOurs(object) && object.metadata.labels?.[familyLabel] === familyOf(object.metadata.name);
