import assert from 'node:assert/strict';
import type { Http2ServerRequest } from 'node:http2';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { BodyReader } from './body-reader.ts';

describe('a body on its way', { timeout: 30_000 }, () => {
  for (const length of [10, 1_000_000])
    it(`of ${length} bytes is left at once when its client has been answered meanwhile, and so is its turn`, async () => {
      const reader = new BodyReader();
      for (let turn = 0; turn < 20; turn++) {
        const request = Object.assign(new PassThrough(), { headers: { 'content-length': String(length) } });
        const gone = new AbortController();
        const reading = reader.read(request as unknown as Http2ServerRequest, gone.signal);
        request.write('{');
        setImmediate(() => gone.abort());
        await assert.rejects(reading, /the client went away/);
      }
    });
});
