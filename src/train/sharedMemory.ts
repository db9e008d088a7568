/**
 * Memory that several threads see. Where there is none, as in a page that is not cross-origin isolated, all replicas have one
 * thread, for which memory of its own is as good.
 */
export const sharedBuffer = (bytes: number): ArrayBufferLike =>
  typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);

export const isShared = (buffer: ArrayBufferLike): boolean =>
  typeof SharedArrayBuffer !== "undefined" && buffer instanceof SharedArrayBuffer;
