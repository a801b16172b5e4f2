/**
 * Finds the end of an HTML tag and the values of its attributes, in pieces as they come.
 *
 *     name ─space─▶ before ─▶ attribute ─space─▶ after ─=─▶ beforeValue ─"─▶ double ─"─▶ before
 *                                  └──────=──────────────────▶   │ ├─'─▶ single ─'─▶ before
 *                                                                │ └────▶ unquoted ─space─▶ before
 *     `>` ends the tag in every state but the two quoted ones.
 *
 * Source: HTML Living Standard, 13.2.5 (tokenization), as far as tags go.
 */

/** The value of an attribute, and where it stands in the text of the tag. */
export interface TagValue {
  /** Lower-case. */
  attribute: string;
  /** Of the value within the tag, without its quotes. */
  start: number;
  end: number;
  quoted: boolean;
}

/** No attribute that we look for has a longer name. */
const maxAttributeLength = 32;

type State = 'name' | 'before' | 'attribute' | 'after' | 'beforeValue' | 'double' | 'single' | 'unquoted';

const isSpace = (char: string): boolean => char === ' ' || char === '\n' || char === '\t' || char === '\r' || char === '\f';

/** Finds where tags end, however the page is cut into pieces. */
export class TagScanner {
  readonly values: TagValue[] = [];
  #state: State = 'name';
  #attribute = '';
  #start = 0;

  /**
   * Reads on from `index` of a text in which the tag begins at `base`.
   * @returns the index behind the tag's `>`; -1 when it has not come yet
   */
  scan(text: string, index: number, base: number): number {
    for (let at = index; at < text.length; at++) {
      const char = text[at] as string;
      if (this.#step(char, at - base)) return at + 1;
    }
    return -1;
  }

  /** @returns whether the tag ends here */
  #step(char: string, at: number): boolean {
    switch (this.#state) {
      case 'double':
        if (char === '"') this.#finish(at, true);
        return false;
      case 'single':
        if (char === "'") this.#finish(at, true);
        return false;
      case 'unquoted':
        if (isSpace(char) || char === '>') this.#finish(at, false);
        break;
      case 'beforeValue':
        this.#beginValue(char, at);
        break;
      case 'name':
        if (isSpace(char) || char === '/') this.#state = 'before';
        break;
      case 'attribute':
        if (char === '=') this.#state = 'beforeValue';
        else if (char === '/') this.#state = 'before';
        else if (isSpace(char)) this.#state = 'after';
        else if (this.#attribute.length < maxAttributeLength) this.#attribute += char.toLowerCase();
        break;
      case 'after':
        if (char === '=') this.#state = 'beforeValue';
        else if (!isSpace(char)) this.#beginAttribute(char);
        break;
      case 'before':
        if (!isSpace(char)) this.#beginAttribute(char);
        break;
    }
    return char === '>';
  }

  #beginAttribute(char: string): void {
    this.#state = char === '/' ? 'before' : 'attribute';
    this.#attribute = char.toLowerCase();
  }

  #beginValue(char: string, at: number): void {
    if (isSpace(char) || char === '>') return;
    this.#state = char === '"' ? 'double' : char === "'" ? 'single' : 'unquoted';
    this.#start = this.#state === 'unquoted' ? at : at + 1;
  }

  #finish(at: number, quoted: boolean): void {
    this.values.push({ attribute: this.#attribute, start: this.#start, end: at, quoted });
    this.#state = 'before';
  }
}
