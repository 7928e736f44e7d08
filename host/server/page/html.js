// Preact, its hooks and htm under one roof. Everything is put in as text: nothing here takes HTML.
import { h, render, Fragment } from './vendor/preact.js';
import htm from './vendor/htm.js';
export { useState, useEffect, useLayoutEffect, useRef, useMemo, useCallback } from './vendor/hooks.js';
export { h, render, Fragment };
export const html = htm.bind(h);
