/** Reads the files of `proto/`. No other module does, so that a bundled program can embed them here. */
import { readFileSync } from 'node:fs';
import { fromJSON, type PackageDefinition } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { embeddedFiles } from '#api/embedded.ts';

/** The files of `proto/`, without `.proto`. */
export type ProtoName = 'cri' | 'containerd-events' | 'containerd-containers';

/** A bundled program has the files embedded. */
function readProto(name: ProtoName): string {
  const file = `proto/${name}.proto`;
  return embeddedFiles[file] ?? readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
}

/**
 * Loads the services and messages of a file. Field names are camelCase, enums are names, 64-bit numbers are numbers (so a time in
 * nanoseconds is exact to about a quarter of a microsecond), unset fields have their defaults, and absent messages are `null`.
 */
export function loadProto(name: ProtoName): PackageDefinition {
  const { root } = protobuf.parse(readProto(name), new protobuf.Root());
  return fromJSON(root.toJSON(), { keepCase: false, longs: Number, enums: String, defaults: true, arrays: true, objects: true });
}

/** Encodes and decodes messages of one type. */
export interface MessageType {
  encode(value: Record<string, unknown>): Uint8Array;
  decode(bytes: Uint8Array): unknown;
}

/** Loads one message type of a file, for bytes that are embedded in another message. */
export function loadMessageType(name: ProtoName, type: string): MessageType {
  const { root } = protobuf.parse(readProto(name), new protobuf.Root());
  const message = root.lookupType(type);
  return {
    encode: (value) => message.encode(message.fromObject(value)).finish(),
    decode: (bytes) => message.toObject(message.decode(bytes), { longs: Number, defaults: true }),
  };
}
