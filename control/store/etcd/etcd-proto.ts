/** etcd's messages and services, as `proto/etcd.proto` has them: names in camelCase, 64-bit numbers as numbers, bytes as Buffers. */
import { readFileSync } from 'node:fs';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { embeddedFiles } from '#api/embedded.ts';

/** Goes with every answer. */
export interface ResponseHeader {
  clusterId: number;
  /** The newest revision when it was answered. */
  revision: number;
}

/** A key with its value. */
export interface KeyValue {
  key: Buffer;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Buffer;
  lease: number;
}

/** One change. Of a deletion, `kv` has only key and revision. */
export interface WatchEvent {
  type: 'PUT' | 'DELETE';
  kv: KeyValue;
  prevKv: KeyValue | null;
}

/** Keys from `key` to before `rangeEnd` (absent: the one key; a zero byte: no end). */
export interface RangeRequest {
  key: Uint8Array;
  rangeEnd?: Uint8Array;
  limit?: number;
  revision?: number;
  countOnly?: boolean;
  keysOnly?: boolean;
  serializable?: boolean;
}

/** What a range has found. */
export interface RangeResponse {
  header: ResponseHeader;
  kvs: KeyValue[];
  more: boolean;
  count: number;
}

/** One answer of a transaction; just one of its fields is there. */
export interface ResponseOp {
  responseRange?: RangeResponse | null;
  responsePut?: { prevKv: KeyValue | null } | null;
  responseDeleteRange?: { deleted: number; prevKvs: KeyValue[] } | null;
}

/** What became of a transaction. */
export interface TxnResponse {
  header: ResponseHeader;
  succeeded: boolean;
  responses: ResponseOp[];
}

/** A message of a watch. */
export interface WatchResponse {
  header: ResponseHeader;
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  cancelReason: string;
  fragment: boolean;
  events: WatchEvent[];
}

/** The services. */
export type EtcdService = 'KV' | 'Watch' | 'Lease' | 'Cluster' | 'Maintenance';

/** Encodes and decodes messages of one type. */
export interface EtcdMessage {
  encode(value: object): Buffer;
  decode(bytes: Buffer): object;
}

let root: protobuf.Root | undefined;
let services: Record<EtcdService, ServiceDefinition> | undefined;

/** A message of the file, for bytes that stand in etcd's database. */
export function etcdMessage(name: 'KeyValue' | 'StoredLease'): EtcdMessage {
  const type = protoRoot().lookupType(`etcdserverpb.${name}`);
  return {
    encode: (value) => Buffer.from(type.encode(type.fromObject(value)).finish()),
    decode: (bytes) => type.toObject(type.decode(bytes), { longs: Number, defaults: true }),
  };
}

/** The services of `proto/etcd.proto`, read once. */
export function etcdServices(): Record<EtcdService, ServiceDefinition> {
  services ??= load();
  return services;
}

function protoRoot(): protobuf.Root {
  const file = 'proto/etcd.proto';
  root ??= protobuf.parse(
    embeddedFiles[file] ?? readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8'),
    new protobuf.Root(),
  ).root;
  return root;
}

function load(): Record<EtcdService, ServiceDefinition> {
  const options = { keepCase: false, longs: Number, enums: String, defaults: true, arrays: true, objects: true, oneofs: true };
  const all = fromJSON(protoRoot().toJSON(), options);
  const service = (name: EtcdService): ServiceDefinition => all[`etcdserverpb.${name}`] as ServiceDefinition;
  return {
    KV: service('KV'),
    Watch: service('Watch'),
    Lease: service('Lease'),
    Cluster: service('Cluster'),
    Maintenance: service('Maintenance'),
  };
}
