/** Subresources that read the whole object and write one part of it: `status` of most kinds. */

import type { ServedSubresource } from '../rest/exchange.ts';
import { handleGet } from '../rest/read-handlers.ts';
import { handlePatch, handleUpdate } from '../rest/write-handlers.ts';

/** Makes such a subresource. @param name its name; the strategy's `status` or `parts` has the rules of its writes */
export const partSubresource = (name: string): ServedSubresource => ({
  handlers: {
    get: handleGet,
    update: (exchange) => handleUpdate(exchange, name),
    patch: (exchange) => handlePatch(exchange, name),
  },
});
