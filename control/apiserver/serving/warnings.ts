/**
 * The `Warning:` headers of one answer. Clients refuse answers whose headers are too large, so beyond a limit every warning is
 * cut short, and then no more are added.
 *
 * Source: apiserver `pkg/endpoints/filters/warning.go`.
 */

/** In code points of text, over all headers. */
const maxTotalLength = 4 * 1024;
/** Of one warning, once all of them together are too long. */
const maxItemLength = 256;

/**
 * Collects the texts of one answer's `Warning:` headers, each once and within upstream's limit of bytes. Source: apiserver
 * `pkg/endpoints/filters/warning.go`.
 */
export class WarningRecorder {
  /** Each text once, in the order they came. */
  readonly #texts = new Set<string>();
  #written = 0;
  #isTruncating = false;

  add(text: string): void {
    if (text === '' || this.#texts.has(text) || (this.#isTruncating && this.#written >= maxTotalLength)) return;
    this.#texts.add(text);
    this.#written += this.#isTruncating ? Math.min(lengthOf(text), maxItemLength) : lengthOf(text);
    if (this.#isTruncating || this.#written <= maxTotalLength) return;
    this.#isTruncating = true;
    this.#written = 0;
    for (const one of this.#texts) this.#written += Math.min(lengthOf(one), maxItemLength);
  }

  /** The header's value; undefined where there is nothing to warn of. */
  header(): string | undefined {
    if (this.#texts.size === 0) return undefined;
    return [...this.#texts].map((text) => headerOf(this.#isTruncating ? shortened(text) : text)).join(', ');
  }
}

function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

/** A character beyond the basic plane takes two units: twice as many units always hold enough of them. */
function shortened(text: string): string {
  return Array.from(text.slice(0, 2 * maxItemLength))
    .slice(0, maxItemLength)
    .join('');
}

/** RFC 7234, 5.5: quoted, so quotes and backslashes are escaped; control characters cannot be sent. */
function headerOf(text: string): string {
  const clean = text.replace(/[^ -~]+/g, ' ').replace(/["\\]/g, '\\$&');
  return `299 - "${clean}"`;
}
