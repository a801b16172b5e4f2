import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cpuMs } from '#test/cpu-time.ts';
import { isGlobalUnicast } from './address.ts';
import { HtmlLinkRewriter } from './html-links.ts';
import { escapePath, rewriteLink } from './links.ts';
import { splitSchemeNamePort } from './location.ts';

const context = { backendHost: '10.0.0.1:80', requestHost: 'api.test:6443', prefix: '/proxy/web' };
const rewrite = (url: string): string | undefined => rewriteLink(url, context);

describe('a link', () => {
  const cases: [string, string | undefined][] = [
    ['/a', '/proxy/web/a'],
    ['/', '/proxy/web/'],
    ['/a/?b=/c#/d', '/proxy/web/a/?b=/c#/d'],
    ['/a/../b', '/proxy/web/b'],
    ['/proxy/web/a', '/proxy/web/a'],
    ['a/b', 'a/b'],
    ['', ''],
    ['?a', '?a'],
    ['#x', '#x'],
    ['//10.0.0.1:80/a', '/proxy/web/a'],
    ['http://10.0.0.1:80/a', '/proxy/web/a'],
    ['https://api.test:6443/a', 'https://api.test:6443/proxy/web/a'],
    ['https://example.com/a', 'https://example.com/a'],
    ['//10.0.0.1:81/a', '//10.0.0.1:81/a'],
    ['mailto:a@b', 'mailto:a@b'],
    ['javascript:alert(1)', 'javascript:alert(1)'],
    ['/a\nb', undefined],
    ['/%zz', undefined],
  ];
  for (const [url, expected] of cases) it(JSON.stringify(url), () => assert.equal(rewrite(url), expected));
  it('has its path escaped as Go does', () =>
    assert.equal(escapePath("/a b/é!*'()/$&+,:;=@~-._/?#%"), '/a%20b/%C3%A9%21%2A%27%28%29/$&+,:;=@~-._/%3F%23%25'));
});

const page = (html: string, pieces = [html]): string => {
  const rewriter = new HtmlLinkRewriter(rewrite);
  return pieces.map((piece) => rewriter.push(piece)).join('') + rewriter.end();
};

describe('a page', () => {
  const cases: [string, string][] = [
    ['<a href="/x">', '<a href="/proxy/web/x">'],
    ["<A title=it's HREF='/x' >", "<A title=it's HREF='/proxy/web/x' >"],
    ['<a href=/x>y</a>', '<a href="/proxy/web/x">y</a>'],
    ['<a href = /x class=b>', '<a href = "/proxy/web/x" class=b>'],
    ['<img src="/i"/><img longdesc="/l" alt="/a">', '<img src="/proxy/web/i"/><img longdesc="/proxy/web/l" alt="/a">'],
    ['<a href="/x?a=1&amp;b=2">', '<a href="/proxy/web/x?a=1&amp;b=2">'],
    ['<a href="/x&#63;a&copy;">', '<a href="/proxy/web/x?a&amp;copy;">'],
    [
      '<form action="/f"><input formaction="/g"><button formaction=/h>',
      '<form action="/proxy/web/f"><input formaction="/proxy/web/g"><button formaction="/proxy/web/h">',
    ],
    ['<p data="/x" href="/y">', '<p data="/x" href="/y">'],
    ['<!-- <a href="/x"> --><a href="/y">', '<!-- <a href="/x"> --><a href="/proxy/web/y">'],
    ['<!--><a href="/y">', '<!--><a href="/proxy/web/y">'],
    ['<!doctype html><?php <a?><a href="/y">', '<!doctype html><?php <a?><a href="/proxy/web/y">'],
    [
      '<script src="/s">let a = \'<a href="/x">\';</script><a href="/y">',
      '<script src="/proxy/web/s">let a = \'<a href="/x">\';</script><a href="/proxy/web/y">',
    ],
    ['<textarea><a href="/x"></textarea ><link href="/y">', '<textarea><a href="/x"></textarea ><link href="/proxy/web/y">'],
    ['<style></styles><a href="/x"></STYLE><a href="/y">', '<style></styles><a href="/x"></STYLE><a href="/proxy/web/y">'],
    ['a < b <3 <a href="/x', 'a < b <3 <a href="/x'],
    ['</a href="/x"><a href="/y">', '</a href="/x"><a href="/proxy/web/y">'],
    ['<a title=">" href="/x">', '<a title=">" href="/proxy/web/x">'],
    ['<a href="//evil/\n">', '<a href="//evil/\n">'],
    ['<abbr href="/x"><a/href="/x">', '<abbr href="/x"><a/href="/proxy/web/x">'],
  ];
  for (const [html, expected] of cases)
    it(html, () => {
      assert.equal(page(html), expected);
      assert.equal(page(html, html.split('')), expected, 'one byte at a time');
    });

  it('is the same however it is cut, and unchanged but for its links', () => {
    const words = fc.constantFrom(
      '<',
      '>',
      '"',
      "'",
      '=',
      '/',
      ' ',
      '<a ',
      'href',
      '="/x"',
      '<!--',
      '-->',
      '<script',
      '</script>',
      '<!',
      '\n',
      'é',
      '&amp;',
      '<title>',
      '</',
    );
    fc.assert(
      fc.property(fc.array(words, { maxLength: 40 }), fc.array(fc.nat(80), { maxLength: 8 }), (tokens, cuts) => {
        const html = tokens.join('');
        const places = [0, ...cuts.map((cut) => Math.min(cut, html.length)).sort((a, b) => a - b), html.length];
        const pieces = places.slice(1).map((end, index) => html.slice(places[index], end));
        assert.equal(page(html, pieces), page(html));
        assert.equal(
          page(html).replaceAll('/proxy/web', '').replaceAll('"', '').replaceAll('&amp;', '&').length <= html.length,
          true,
        );
        const rewriter = new HtmlLinkRewriter((url) => url);
        assert.equal(rewriter.push(html) + rewriter.end(), html);
      }),
      { numRuns: 500 },
    );
  });

  it('takes time and memory in proportion to its length, whatever it is', () => {
    const bombs = [
      '<',
      '<a ',
      '<!--',
      '<!-',
      '<script>',
      '<a href="',
      '<a b=c ',
      '</',
      '<a href=/x>',
      '<script></',
      '<a \'"=',
      '&amp;',
      '<title></titl',
    ];
    for (const bomb of bombs) {
      const rewriter = new HtmlLinkRewriter(rewrite);
      const text = bomb.repeat(Math.ceil(4_000_000 / bomb.length));
      const startMs = cpuMs();
      let longestHeld = 0;
      let given = 0;
      for (let at = 0; at < text.length; at += 16_384) {
        const piece = text.slice(at, at + 16_384);
        given += rewriter.push(piece).length;
        if (!bomb.includes('/x')) longestHeld = Math.max(longestHeld, at + piece.length - given);
      }
      assert.ok(cpuMs() - startMs < 5000, `4 MB of ${bomb} took too long`);
      assert.ok(longestHeld <= 100_000, `${bomb}: ${longestHeld} held back`);
    }
  });
});

describe('an id', () => {
  const cases: [string, object | undefined][] = [
    ['a', { scheme: '', name: 'a', port: '' }],
    ['a:80', { scheme: '', name: 'a', port: '80' }],
    ['a:', { scheme: '', name: 'a', port: '' }],
    ['https:a:', { scheme: 'https', name: 'a', port: '' }],
    [':a:web', { scheme: '', name: 'a', port: 'web' }],
    ['ftp:a:1', undefined],
    ['https::1', undefined],
    ['', undefined],
    ['a:b:c:d', undefined],
  ];
  for (const [id, expected] of cases) it(JSON.stringify(id), () => assert.deepEqual(splitSchemeNamePort(id), expected));
});

describe('an address', () => {
  const cases: [string, boolean][] = [
    ['10.0.0.1', true],
    ['192.168.1.1', true],
    ['8.8.8.8', true],
    ['fd00::1', true],
    ['2001:db8::1', true],
    ['127.0.0.1', false],
    ['127.9.9.9', false],
    ['0.0.0.0', false],
    ['255.255.255.255', false],
    ['169.254.169.254', false],
    ['224.0.0.1', false],
    ['::', false],
    ['::1', false],
    ['fe80::1', false],
    ['fe80::1%eth0', false],
    ['ff02::1', false],
    ['::ffff:127.0.0.1', false],
    ['::ffff:7f00:1', false],
    ['::ffff:169.254.1.1', false],
    ['::ffff:10.0.0.1', true],
    ['', false],
    ['localhost', false],
  ];
  for (const [address, expected] of cases)
    it(`${JSON.stringify(address)} is ${expected ? '' : 'not '}for proxies`, () =>
      assert.equal(isGlobalUnicast(address), expected));
});
