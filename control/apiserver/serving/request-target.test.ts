import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { check, constantFrom, property, string } from 'fast-check';
import { cpuMs } from '#test/cpu-time.ts';
import { parseRequestInfo } from '../rest/request-info.ts';
import { isHost, parseQuery, parseTarget } from './request-target.ts';

describe('parseTarget', () => {
  /** [method, target, path, rawQuery]; no path: 400. Each as Go 1.25 has it. */
  const cases: [string, string, string?, string?][] = [
    ['GET', '/', '/', ''],
    ['GET', '//', '//', ''],
    ['GET', '//host/path', '//host/path', ''],
    ['GET', '*', '*', ''],
    ['OPTIONS', '*', '*', ''],
    ['GET', '/a?b?c=%zz', '/a', 'b?c=%zz'],
    ['GET', '/a#b', '/a#b', ''],
    ['GET', 'https://host/version?x', '/version', 'x'],
    ['GET', 'https://host', '', ''],
    ['GET', 'https://host?x', '', 'x'],
    ['GET', 'https://user@[::1]:6443/a', '/a', ''],
    ['GET', 'mailto:x', '', ''],
    ['GET', 'http://[::1'],
    ['GET', 'http://[::1/x'],
    ['GET', 'http://a:b/x'],
    ['GET', 'http://a b/'],
    ['GET', 'version'],
    ['GET', '?x'],
    ['GET', ':x'],
    ['GET', ''],
    ['GET', '/a\u0000b'],
    ['GET', '/%zz'],
    ['GET', '/%'],
    ['GET', '/%4'],
    ['GET', '/a%2Fb%20c', '/a/b c', ''],
    ['GET', '/%00', '/\u0000', ''],
    ['GET', '/%ff', '/\ufffd', ''],
    ['GET', '/%e4%bd%a0', '/你', ''],
    ['CONNECT', 'host:443', '', ''],
    ['CONNECT', '/x', '/x', ''],
    ['CONNECT', 'host:port'],
  ];
  for (const [method, target, path, rawQuery] of cases) {
    it(`${method} ${JSON.stringify(target)}`, () => {
      assert.deepEqual(parseTarget(method, target), path === undefined ? undefined : { path, rawQuery });
    });
  }

  it('reads long runs of anything in linear time', () => {
    for (const text of ['/', '%41', '%', 'a@', '[', ':', ';', '&', '=', '+']) {
      const target = `http://${text.repeat((1 << 20) / text.length)}`;
      const startMs = cpuMs();
      parseTarget('GET', target);
      parseRequestInfo('GET', `${target.slice(6)}?${target}`);
      parseRequestInfo('GET', `/api/v1/${target}`);
      isHost(target);
      assert.ok(cpuMs() - startMs < 2_000, text);
    }
  });
});

describe('parseQuery', () => {
  const cases: [string, [string, string][]][] = [
    [
      'a=1&b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['a=1;b=2&c=3', [['c', '3']]],
    ['a=%zz&b=%41', [['b', 'A']]],
    [
      'a+b=c+d&&=x',
      [
        ['a b', 'c d'],
        ['', 'x'],
      ],
    ],
    ['watch', [['watch', '']]],
    ['a=b=c', [['a', 'b=c']]],
  ];
  for (const [text, pairs] of cases) it(text, () => assert.deepEqual([...parseQuery(text)], pairs));
});

describe('parseRequestInfo', () => {
  it('sees no resource where a part of the path is empty, and passes over slashes at the end', () => {
    for (const path of [
      '//api/v1/pods',
      '/api//v1/pods',
      '/api/v1//pods',
      '/api/v1/namespaces//pods',
      '/apis/apps/v1//deployments',
    ])
      assert.equal(parseRequestInfo('GET', path).isResource, false, path);
    assert.equal(parseRequestInfo('GET', '/api/v1/pods//').verb, 'list');
    const { name, subresource, rest } = parseRequestInfo('GET', '/api/v1/nodes/n/proxy//logs/');
    assert.deepEqual([name, subresource, rest], ['n', 'proxy', ['', 'logs']]);
  });

  it('takes an encoded slash for a slash, so that no name has one', () => {
    const { namespace, resource, name } = parseRequestInfo('GET', '/api/v1/namespaces/a%2fpods%2fb/secrets/c');
    assert.deepEqual([namespace, resource, name], ['a', 'pods', 'b']);
  });

  it('never throws, and gives a name no slash', () => {
    const methods = constantFrom('GET', 'POST', 'CONNECT', 'OPTIONS', 'x');
    const starts = constantFrom('', '/', '/api/v1/', '/apis/apps/v1/namespaces/', 'https://', '/api/v1/pods?');
    const pieces = string({
      unit: constantFrom('/', '%', '2', 'f', '0', '?', '&', ';', '=', ':', '@', '[', ']', '*', 'a', 'é', '\u0001', '+', '.'),
    });
    const result = check(
      property(methods, starts, pieces, (method, start, rest) => {
        const info = parseRequestInfo(method, start + rest);
        return (
          !info.isResource || ![info.namespace, info.resource, info.name, info.subresource].some((part) => part.includes('/'))
        );
      }),
      { numRuns: 5_000 },
    );
    assert.equal(result.failed, false, JSON.stringify(result.counterexample));
  });
});
