/** A built-in kind: its row of `api/resources.ts` together with the declaration in its room. */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import type { Conversion } from '../catalog.ts';
import type { Strategy } from '../registry/strategy.ts';
import type { ComputedKind, ServedSubresource } from '../rest/exchange.ts';
import { defineStrategy, type StrategyDeclaration } from './define-strategy.ts';
import { partSubresource } from './part-subresource.ts';

/** The declaration of a kind in its room: the {@link StrategyDeclaration}, and how the kind is served. */
export interface KindDeclaration<Id extends ResourceId> extends StrategyDeclaration<ResourceTypes[Id]> {
  /** The ID of the kind's row. */
  resource: Id;
  /** Subresources by name. `status` is added when the declaration has rules for it. */
  subresources?: Readonly<Record<string, ServedSubresource>>;
  /** Conversion for a row that is stored in the version of another row. */
  conversion?: Conversion;
  /** Set for a kind that is not stored. */
  computed?: ComputedKind;
}

/** The export of a room for `kinds/index.ts`. */
export interface BuiltInKind<T extends KubeObject = KubeObject> {
  id: ResourceId;
  strategy: Strategy<T>;
  subresources: Readonly<Record<string, ServedSubresource>>;
  conversion?: Conversion;
  computed?: ComputedKind;
}

/** Makes the kind of a declaration. */
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
