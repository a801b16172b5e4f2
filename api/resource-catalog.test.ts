import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CatalogChange, createResourceCatalog } from './resource-catalog.ts';
import type { Resource } from './resources.ts';

const gadgets: Resource = {
  ...createResourceCatalog().builtIn('configmaps'),
  id: 'gadgets.example.com',
  group: 'example.com',
  kind: 'Gadget',
  plural: 'gadgets',
  singular: 'gadget',
  shortNames: [],
  storagePrefix: '/registry/example.com/gadgets',
  schema: 'example.com/v1.Gadget',
};
const alpha: Resource = { ...gadgets, id: 'gadgets.v1alpha1.example.com', version: 'v1alpha1', storedAs: 'gadgets.example.com' };

describe('the resource catalog', () => {
  it('begins with the built-in rows, found by path and by id', () => {
    const catalog = createResourceCatalog();
    assert.equal(new Set(catalog.all().map(({ id }) => id)).size, catalog.all().length);
    assert.ok(
      catalog.all().every((row) => catalog.byId(row.id) === row && catalog.find(row.group, row.version, row.plural) === row),
    );
    assert.equal(catalog.find('apps', 'v1', 'deployments')?.kind, 'Deployment');
    assert.equal(catalog.find('', 'v1', 'pods'), catalog.builtIn('pods'));
    assert.equal(catalog.find('apps', 'v1beta1', 'deployments'), undefined);
    assert.equal(catalog.find('', 'v1', 'deployments'), undefined);
    assert.equal(catalog.byId('gadgets.example.com'), undefined);
    assert.throws(() => createResourceCatalog([]).builtIn('pods'), /no resource "pods"/);
  });

  it('returns the row in whose form a view is stored', () => {
    const catalog = createResourceCatalog();
    assert.equal(catalog.storedForm(catalog.builtIn('events.events.k8s.io')), catalog.builtIn('events'));
    assert.equal(catalog.storedForm(catalog.builtIn('pods')), catalog.builtIn('pods'));
  });

  it('adds and removes rows, and calls listeners after the change', () => {
    const catalog = createResourceCatalog();
    const changes: string[] = [];
    const note = ({ kind, resource }: CatalogChange): void =>
      void changes.push(`${kind} ${resource.id} ${catalog.byId(resource.id) === resource}`);
    const end = catalog.changed(note);
    const before = catalog.all();
    catalog.add(gadgets);
    catalog.add(alpha);
    assert.equal(before.includes(gadgets), false);
    assert.equal(catalog.find('example.com', 'v1alpha1', 'gadgets'), alpha);
    assert.equal(catalog.storedForm(alpha), gadgets);
    assert.throws(() => catalog.remove(gadgets.id), /"gadgets.v1alpha1.example.com" is stored as "gadgets.example.com"/);
    assert.equal(catalog.remove(alpha.id), true);
    assert.equal(catalog.remove(alpha.id), false);
    end();
    assert.equal(catalog.remove(gadgets.id), true);
    assert.deepEqual(changes, [
      'added gadgets.example.com true',
      'added gadgets.v1alpha1.example.com true',
      'removed gadgets.v1alpha1.example.com false',
    ]);
    assert.equal(catalog.find('example.com', 'v1', 'gadgets'), undefined);
    assert.deepEqual(catalog.all(), createResourceCatalog().all());
  });

  const refused: [what: string, row: Resource, why: RegExp][] = [
    ['an id that is taken', { ...gadgets, id: 'pods' }, /already has a resource "pods"/],
    ['a path that is taken', { ...gadgets, group: '', plural: 'pods' }, /already has a resource at \/v1\/pods/],
    ['a view of what is not there', alpha, /stored as "gadgets.example.com", which is not there/],
    ['a view of what lies elsewhere', { ...alpha, storedAs: 'pods' }, /stored as "pods", which is not there/],
  ];
  for (const [what, row, why] of refused)
    it(`refuses ${what}`, () => {
      const catalog = createResourceCatalog();
      assert.throws(() => catalog.add(row), why);
      assert.deepEqual(catalog.all(), createResourceCatalog().all());
    });

  it('does not share changes between two catalogs', () => {
    const [one, other] = [createResourceCatalog(), createResourceCatalog()];
    one.add(gadgets);
    assert.equal(other.byId(gadgets.id), undefined);
  });
});
