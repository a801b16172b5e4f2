/**
 * Rewrites the links of an HTML page while it passes. All but the changed values stays as it is, byte for byte: text is handled as
 * Latin-1, in which every byte is a character, and HTML's own characters are ASCII.
 *
 * Source: apimachinery `pkg/util/proxy/transport.go` (which attributes); HTML Living Standard, 13.2.5.
 */
import { TagScanner } from './html-tag.ts';

/** Attributes that hold a URL, by element. */
const urlAttributes: ReadonlyMap<string, readonly string[]> = new Map([
  ['a', ['href']],
  ['applet', ['codebase']],
  ['area', ['href']],
  ['audio', ['src']],
  ['base', ['href']],
  ['blockquote', ['cite']],
  ['body', ['background']],
  ['button', ['formaction']],
  ['command', ['icon']],
  ['del', ['cite']],
  ['embed', ['src']],
  ['form', ['action']],
  ['frame', ['longdesc', 'src']],
  ['head', ['profile']],
  ['html', ['manifest']],
  ['iframe', ['longdesc', 'src']],
  ['img', ['longdesc', 'src', 'usemap']],
  ['input', ['src', 'usemap', 'formaction']],
  ['ins', ['cite']],
  ['link', ['href']],
  ['object', ['classid', 'codebase', 'data', 'usemap']],
  ['q', ['cite']],
  ['script', ['src']],
  ['source', ['src']],
  ['video', ['poster', 'src']],
]);

/** Elements whose content is text, up to their own end tag. */
const rawElements = new Set([
  'iframe',
  'noembed',
  'noframes',
  'noscript',
  'plaintext',
  'script',
  'style',
  'textarea',
  'title',
  'xmp',
]);

/** A longer tag passes unchanged: it is held back until its end is known. */
const maxTagLength = 64 * 1024;
/** The longest beginning that decides what something is: `</plaintext` and one more. */
const maxLookahead = 12;

type State =
  | { kind: 'text' }
  | { kind: 'comment' }
  | { kind: 'declaration' }
  | { kind: 'raw'; element: string }
  /** `scanned`: how much of what waits has been looked at; `name`: as far as it is known. `passing`: too long to change. */
  | { kind: 'tag'; scanner: TagScanner; scanned: number; passing: boolean; raw: string };

/** The link as it must stand in the page so that it leads through the proxy; undefined: it stays. */
export type RewriteLink = (url: string) => string | undefined;

/** Yields the page again with `rewrite` applied to its links. Holds no more than one tag of it at a time. */
export async function* rewriteHtml(page: AsyncIterable<Uint8Array>, rewrite: RewriteLink): AsyncGenerator<Uint8Array> {
  const rewriter = new HtmlLinkRewriter(rewrite);
  for await (const chunk of page) {
    const out = rewriter.push(Buffer.from(chunk).toString('latin1'));
    if (out !== '') yield Buffer.from(out, 'latin1');
  }
  const rest = rewriter.end();
  if (rest !== '') yield Buffer.from(rest, 'latin1');
}

/**
 * Rewrites the links of a page while it passes; it holds one tag at a time. Source: apimachinery `pkg/util/proxy/transport.go`.
 */
export class HtmlLinkRewriter {
  readonly #rewrite: RewriteLink;
  #state: State = { kind: 'text' };
  /** What has come and cannot be passed on yet. */
  #held = '';

  constructor(rewrite: RewriteLink) {
    this.#rewrite = rewrite;
  }

  /** @returns what can be passed on now */
  push(text: string): string {
    const input = this.#held + text;
    const out: string[] = [];
    let at = 0;
    for (;;) {
      const next = this.#advance(input, at, out);
      if (next === undefined) break;
      at = next;
    }
    return out.join('');
  }

  /** What is still held when the page ends. */
  end(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  /** One token, or as much of it as is there. @returns where the next begins; undefined: more has to come, the rest is held */
  #advance(input: string, at: number, out: string[]): number | undefined {
    switch (this.#state.kind) {
      case 'text':
        return this.#text(input, at, out);
      case 'comment':
        return this.#until(input, at, out, '-->');
      case 'declaration':
        return this.#until(input, at, out, '>');
      case 'raw':
        return this.#raw(input, at, out, this.#state.element);
      case 'tag':
        return this.#tag(input, at, out, this.#state);
    }
  }

  #text(input: string, at: number, out: string[]): number | undefined {
    const open = input.indexOf('<', at);
    if (open < 0) return this.#hold(input, input.length, at, out);
    out.push(input.slice(at, open));
    const second = input[open + 1];
    if (second === undefined || (second === '!' && input.length < open + 4 && '<!--'.startsWith(input.slice(open))))
      return this.#hold(input, open, open, out);
    if (input.startsWith('<!--', open)) {
      // `<!-->` and `<!--->` are whole comments: the end may share the dashes of the beginning.
      out.push('<!');
      this.#state = { kind: 'comment' };
      return open + 2;
    }
    if (second === '!' || second === '?') this.#state = { kind: 'declaration' };
    else if (second === '/' && input[open + 2] === undefined) return this.#hold(input, open, open, out);
    else if (/[a-z]/i.test(second === '/' ? (input[open + 2] ?? '') : second))
      this.#state = { kind: 'tag', scanner: new TagScanner(), scanned: second === '/' ? 2 : 1, passing: false, raw: '' };
    else if (second === '/') this.#state = { kind: 'declaration' };
    else {
      out.push('<');
      return open + 1;
    }
    return open;
  }

  #until(input: string, at: number, out: string[], end: string): number | undefined {
    const found = input.indexOf(end, at);
    if (found < 0) return this.#hold(input, Math.max(at, input.length - end.length + 1), at, out);
    out.push(input.slice(at, found + end.length));
    this.#state = { kind: 'text' };
    return found + end.length;
  }

  #raw(input: string, at: number, out: string[], element: string): number | undefined {
    if (element === 'plaintext') return this.#hold(input, input.length, at, out);
    const end = new RegExp(`</${element}[\\s/>]`, 'gi');
    end.lastIndex = at;
    const match = end.exec(input);
    if (match === null) return this.#hold(input, Math.max(at, input.length - maxLookahead), at, out);
    out.push(input.slice(at, match.index));
    this.#state = { kind: 'text' };
    return match.index;
  }

  #tag(input: string, at: number, out: string[], state: State & { kind: 'tag' }): number | undefined {
    const { scanner } = state;
    const end = scanner.scan(input, at + state.scanned, at);
    if (!state.passing && state.raw === '')
      state.raw = /^<([a-z][^\s/>]*)(?=[\s/>])/i.exec(input.slice(at, at + maxLookahead + 2))?.[1]?.toLowerCase() ?? '';
    if (end < 0) {
      state.scanned = input.length - at;
      if (!state.passing && state.scanned <= maxTagLength) return this.#hold(input, at, at, out);
      state.passing = true;
      scanner.values.length = 0;
      state.scanned = 0;
      return this.#hold(input, input.length, at, out);
    }
    const tag = input.slice(at, end);
    out.push(state.passing ? tag : this.#rewritten(tag, scanner));
    this.#state = rawElements.has(state.raw) ? { kind: 'raw', element: state.raw } : { kind: 'text' };
    return end;
  }

  #rewritten(tag: string, { values }: TagScanner): string {
    const name = /^<([a-z][^\s/>]*)/i.exec(tag)?.[1]?.toLowerCase() ?? '';
    const attributes = urlAttributes.get(name);
    if (attributes === undefined) return tag;
    const parts: string[] = [];
    let from = 0;
    for (const { attribute, start, end, quoted } of values) {
      if (!attributes.includes(attribute)) continue;
      const url = unescapeHtml(tag.slice(start, end));
      const changed = this.#rewrite(url);
      if (changed === undefined || changed === url) continue;
      const escaped = escapeHtml(changed);
      parts.push(tag.slice(from, start), quoted ? escaped : `"${escaped}"`);
      from = end;
    }
    return parts.length === 0 ? tag : parts.join('') + tag.slice(from);
  }

  /** Passes on up to `to` and keeps the rest. */
  #hold(input: string, to: number, from: number, out: string[]): undefined {
    out.push(input.slice(from, to));
    this.#held = input.slice(to);
    return undefined;
  }
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** The character references that URLs are written with; others stay as they are. */
function unescapeHtml(text: string): string {
  return text.replace(
    /&(?:(amp|lt|gt|quot|apos)|#(\d{1,3})|#x([0-9a-f]{1,2}));/gi,
    (whole, name?: string, decimal?: string, hex?: string) => {
      if (name !== undefined) return named[name.toLowerCase()] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
      // Beyond ASCII, a character is more than the one byte that Latin-1 would make of it.
      return code > 0 && code < 0x80 ? String.fromCharCode(code) : whole;
    },
  );
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', "'": '&#39;', '<': '&lt;', '>': '&gt;', '"': '&#34;' };
const escapeHtml = (text: string): string => text.replace(/[&'<>"]/g, (char) => escapes[char] ?? char);
