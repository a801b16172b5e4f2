/**
 * Answers within one process: a list or a watch whose pieces carry the server's own objects in place of their bytes. Informers so hold what the
 * watch cache holds, once, and nothing is written and read again. The pieces pass filters, audit and whatever else is on the way like any
 * others, and are empty for those who look at bytes.
 */
import type { KubeList, KubeObject, WatchEvent } from '#api/meta.ts';
import type { Status } from '#api/types.generated.ts';
import type { TransportResponse } from './transport.ts';

/** The content type of such an answer. It never leaves the process: only a request that `takesObjects` is answered so. */
export const objectsContentType = 'application/x-tinkernetes-objects';

/** The content of a piece: a whole list, or changes of a watch. The objects are shared: never change one. */
export type SharedPart =
  | { kind: 'list'; list: KubeList<KubeObject> }
  | { kind: 'events'; events: readonly WatchEvent<KubeObject>[] }
  | { kind: 'error'; status: Status };

/** A piece of a body, without bytes. */
export class ObjectPiece extends Uint8Array {
  readonly part: SharedPart;

  constructor(part: SharedPart) {
    super(0);
    this.part = part;
  }
}

/** The content of an answer's pieces; undefined for an answer of bytes. */
export function sharedParts({ headers, body }: TransportResponse): AsyncIterable<SharedPart> | undefined {
  return headers['content-type'] === objectsContentType ? partsOf(body) : undefined;
}

async function* partsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<SharedPart> {
  for await (const piece of body) if (piece instanceof ObjectPiece) yield piece.part;
}
