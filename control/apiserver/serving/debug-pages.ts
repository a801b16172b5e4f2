/** Pages below `/debug/`, in which parts of the control plane show what they know. Who may read one is a matter of RBAC (nonResourceURLs). */
import type { TransportResponse } from '#client/transport.ts';
import { jsonResponse, textResponse } from '../rest/responses.ts';

/** Gives the content for a path; undefined when there is none. */
type DebugPage = (path: string) => object | undefined;
type DebugText = (path: string, query: URLSearchParams) => string | undefined;

/** The pages by the beginning of their paths. Parts may add theirs at any time. */
export class DebugPages {
  readonly #pages = new Map<string, DebugPage>();
  readonly #texts = new Map<string, DebugText>();

  add(prefix: string, page: DebugPage): void {
    this.#pages.set(prefix, page);
  }

  /** Pages of plain text. */
  addText(prefix: string, page: DebugText): void {
    this.#texts.set(prefix, page);
  }

  /** The answer to a GET. Undefined when there is no such page. */
  handle(path: string, query: URLSearchParams): TransportResponse | undefined {
    for (const [prefix, page] of this.#texts) {
      const text = path.startsWith(prefix) ? page(path, query) : undefined;
      if (text !== undefined) return textResponse(200, text);
    }
    for (const [prefix, page] of this.#pages) {
      if (!path.startsWith(prefix)) continue;
      const content = page(path);
      if (content !== undefined) return jsonResponse(200, content);
    }
    return undefined;
  }
}
