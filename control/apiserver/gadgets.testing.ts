/** For tests only: a made-up kind, as a CustomResourceDefinition or an aggregated group would bring it, in two versions. */

import type { KubeObject } from '#api/meta.ts';
import { nameIsDnsSubdomain } from '#api/names.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from '#api/object-meta.ts';
import { createResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import type { ServedKind } from './catalog.ts';

const typesOf = (version: string, field: string): string => `example.com/${version}.Gadget kind=example.com/${version}/Gadget
 apiVersion 0 s
 kind 0 s
 metadata 1 meta/v1.ObjectMeta
 ${field} 2 []s list=set
example.com/${version}.GadgetList kind=example.com/${version}/GadgetList
 apiVersion 0 s
 items 2 []example.com/${version}.Gadget !
 kind 0 s
 metadata 1 meta/v1.ListMeta`;

export interface Gadget extends KubeObject {
  parts?: string[];
}

export const gadgetRow: Resource = {
  ...createResourceCatalog().builtIn('configmaps'),
  id: 'gadgets.example.com',
  group: 'example.com',
  version: 'v1',
  kind: 'Gadget',
  plural: 'gadgets',
  singular: 'gadget',
  shortNames: ['gd'],
  storagePrefix: '/registry/example.com/gadgets',
  schema: 'example.com/v1.Gadget',
};

const strategy: ServedKind['strategy'] = {
  validate: (object) => validateObjectMeta(object.metadata, { namespaced: true, name: nameIsDnsSubdomain }),
  validateUpdate: (object, old) => validateObjectMetaUpdate(object.metadata, old.metadata),
};

export const gadgets: ServedKind = { resource: gadgetRow, strategy, types: typesOf('v1', 'parts') };

/** The older version calls its parts `pieces`. */
export const oldGadgets: ServedKind = {
  resource: {
    ...gadgetRow,
    id: 'gadgets.v1alpha1.example.com',
    version: 'v1alpha1',
    storedAs: gadgetRow.id,
    schema: 'example.com/v1alpha1.Gadget',
  },
  strategy,
  types: typesOf('v1alpha1', 'pieces'),
  conversion: {
    fromStored(stored) {
      const { parts, ...rest } = stored as Gadget;
      return { ...rest, apiVersion: 'example.com/v1alpha1', ...(parts === undefined ? {} : { pieces: parts }) } as KubeObject;
    },
    toStored(served) {
      const { pieces, ...rest } = served as KubeObject & { pieces?: string[] };
      return { ...rest, apiVersion: 'example.com/v1', ...(pieces === undefined ? {} : { parts: pieces }) } as KubeObject;
    },
  },
};

export const gadget = (name: string, more: object = {}, namespace = 'default'): Gadget =>
  ({ apiVersion: 'example.com/v1', kind: 'Gadget', metadata: { name, namespace }, ...more }) as Gadget;
