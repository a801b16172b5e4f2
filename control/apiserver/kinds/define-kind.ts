/** A built-in kind: its row of `api/resources.ts`, joined with all that its room says of it. */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import type { Conversion } from '../catalog.ts';
import type { Strategy } from '../registry/strategy.ts';
import type { ComputedKind, ServedSubresource } from '../rest/exchange.ts';
import { defineStrategy, type StrategyDeclaration } from './define-strategy.ts';
import { partSubresource } from './part-subresource.ts';

/** What a room says of its kind: the {@link StrategyDeclaration}, and how it is served. */
export interface KindDeclaration<Id extends ResourceId> extends StrategyDeclaration<ResourceTypes[Id]> {
  /** The id of its row. */
  resource: Id;
  /** By name. `status` is there wherever the declaration has rules for it. */
  subresources?: Readonly<Record<string, ServedSubresource>>;
  /** Of a row that is stored in the form of another one. */
  conversion?: Conversion;
  /** Of a kind that is not stored. */
  computed?: ComputedKind;
}

/** What a room gives to `kinds/index.ts`. */
export interface BuiltInKind<T extends KubeObject = KubeObject> {
  id: ResourceId;
  strategy: Strategy<T>;
  subresources: Readonly<Record<string, ServedSubresource>>;
  conversion?: Conversion;
  computed?: ComputedKind;
}

/** The kind that the declaration stands for. */
export function defineKind<const Id extends ResourceId>(declared: KindDeclaration<Id>): BuiltInKind<ResourceTypes[Id]> {
  const { resource: id, status, subresources, conversion, computed } = declared;
  return {
    id,
    strategy: defineStrategy(declared),
    subresources: { ...(status === undefined ? {} : { status: partSubresource('status') }), ...subresources },
    ...(conversion === undefined ? {} : { conversion }),
    ...(computed === undefined ? {} : { computed }),
  };
}
