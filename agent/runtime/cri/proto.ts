/** The one place that reads `proto/`, so that a bundled program can carry the files inside. */
import { readFileSync } from 'node:fs';
import { fromJSON, type PackageDefinition } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { embeddedFiles } from '#api/embedded.ts';

export type ProtoName = 'cri' | 'containerd-events' | 'containerd-containers';

/** A bundled program carries the files inside. */
function readProto(name: ProtoName): string {
  const file = `proto/${name}.proto`;
  return embeddedFiles[file] ?? readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
}

/**
 * The services and messages of a file: field names in camelCase, enums as names, 64-bit numbers as numbers (a time in
 * nanoseconds keeps about a quarter of a microsecond), unset fields with their defaults, absent messages `null`.
 */
export function loadProto(name: ProtoName): PackageDefinition {
  const { root } = protobuf.parse(readProto(name), new protobuf.Root());
  return fromJSON(root.toJSON(), { keepCase: false, longs: Number, enums: String, defaults: true, arrays: true, objects: true });
}

export interface MessageType {
  encode(value: Record<string, unknown>): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/** Encodes and decodes one message type of a file, for bytes that travel inside another message. */
export function loadMessageType(name: ProtoName, type: string): MessageType {
  const { root } = protobuf.parse(readProto(name), new protobuf.Root());
  const message = root.lookupType(type);
  return {
    encode: (value) => message.encode(message.fromObject(value)).finish(),
    decode: (bytes) => message.toObject(message.decode(bytes), { longs: Number, defaults: true }),
  };
}
