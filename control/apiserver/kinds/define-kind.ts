/** A built-in kind: its row of `api/resources.ts`, joined with all that its room says of it. */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceId, ResourceTypes } from '#api/resources.ts';
import type { Conversion } from '../catalog.ts';
import type { Strategy } from '../registry/strategy.ts';
import { defineStrategy, type StrategyDeclaration } from './define-strategy.ts';

export interface KindDeclaration<Id extends ResourceId> extends StrategyDeclaration<ResourceTypes[Id]> {
  resource: Id;
  /** Of a row that is stored in the form of another one. */
  conversion?: Conversion;
}

/** What a room gives to `kinds/index.ts`. */
export interface BuiltInKind<T extends KubeObject = KubeObject> {
  id: ResourceId;
  strategy: Strategy<T>;
  conversion?: Conversion;
}

/** The kind that the declaration stands for. */
export function defineKind<const Id extends ResourceId>(declared: KindDeclaration<Id>): BuiltInKind<ResourceTypes[Id]> {
  const { resource: id, conversion } = declared;
  return { id, strategy: defineStrategy(declared), ...(conversion === undefined ? {} : { conversion }) };
}
