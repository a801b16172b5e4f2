/**
 * Comma-separated values as Go's `encoding/csv` reads them: fields may be quoted, `""` in a quoted field is a quote, empty lines are
 * left out.
 *
 * Source: RFC 4180; Go's package encoding/csv (`reader.go`), with its messages.
 */

/** The text is not valid CSV. The message names the line. */
export class CsvError extends Error {
  override name = 'CsvError';
}

/** One record of a CSV file. */
export interface CsvRecord {
  /** Counted from 1. */
  line: number;
  fields: string[];
}

/** @throws CsvError */
export function parseCsv(text: string): CsvRecord[] {
  return [...new CsvReader(text.replaceAll('\r\n', '\n')).records()];
}

class CsvReader {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  *records(): Generator<CsvRecord> {
    while (this.#at < this.#text.length) {
      if (this.#text[this.#at] === '\n') {
        this.#newLine();
        continue;
      }
      const line = this.#line;
      yield { line, fields: this.#fields() };
    }
  }

  #newLine(): void {
    this.#at += 1;
    this.#line += 1;
  }

  /** Reads one record with its line end. */
  #fields(): string[] {
    const fields: string[] = [];
    for (;;) {
      fields.push(this.#text[this.#at] === '"' ? this.#quoted() : this.#bare());
      if (this.#text[this.#at] === ',') {
        this.#at += 1;
        continue;
      }
      if (this.#at < this.#text.length) this.#newLine();
      return fields;
    }
  }

  #bare(): string {
    const start = this.#at;
    while (this.#at < this.#text.length && this.#text[this.#at] !== ',' && this.#text[this.#at] !== '\n') {
      if (this.#text[this.#at] === '"') throw this.#error('bare " in non-quoted field');
      this.#at += 1;
    }
    return this.#text.slice(start, this.#at);
  }

  #quoted(): string {
    this.#at += 1;
    let field = '';
    for (;;) {
      const quote = this.#text.indexOf('"', this.#at);
      if (quote < 0) throw this.#error('extraneous or missing " in quoted-field');
      const part = this.#text.slice(this.#at, quote);
      field += part;
      this.#line += part.split('\n').length - 1;
      this.#at = quote + 1;
      const next = this.#text[this.#at];
      if (next === undefined || next === ',' || next === '\n') return field;
      if (next !== '"') throw this.#error('extraneous or missing " in quoted-field');
      field += '"';
      this.#at += 1;
    }
  }

  #error(why: string): CsvError {
    return new CsvError(`parse error on line ${this.#line}: ${why}`);
  }
}
