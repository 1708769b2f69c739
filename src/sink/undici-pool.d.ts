// undici's Pool without the rest of it (fetch, WebSocket, caches, mocks), which takes 12 MB and a tenth of the start.
declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici';
}
