import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { pathSegments, requestTarget } from './listener.ts';

describe('the target of a request', () => {
  const cases: [string | undefined, string | undefined, string?][] = [
    ['/healthz', '/healthz'],
    ['/healthz?a=b&c', '/healthz', 'a=b&c='],
    ['//', '//'],
    ['//host/path', '//host/path'],
    ['http://host:80/healthz?x', '/healthz', 'x='],
    ['http://host', '/'],
    ['http://[::1', '/'],
    ['/a#b', '/a'],
    ['/%zz', '/%zz'],
    ['*', undefined],
    ['host:443', undefined],
    ['', undefined],
    ['?a', undefined],
    [undefined, undefined],
  ];
  for (const [target, path, query = ''] of cases)
    it(`${target} names ${path}`, () => {
      const found = requestTarget(target);
      assert.deepEqual([found?.path, found?.query.toString() ?? ''], [path, query]);
    });

  it('may be any text', () =>
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('/', '%', '?', '#', '*', ':', '.', 'a', '[', '@', '\\', ' ', '2', 'f') }),
        (text) => {
          const { path } = requestTarget(text) ?? {};
          if (path !== undefined) pathSegments(path);
          return path === undefined || path.startsWith('/');
        },
      ),
    ));

  it('is not decoded when a percent escape is malformed', () => {
    assert.deepEqual(pathSegments('/exec/a%20b/c'), ['exec', 'a b', 'c']);
    for (const bad of ['/%', '/%zz', '/a%ff', '/%c0%af']) assert.equal(pathSegments(bad), undefined);
  });
});
