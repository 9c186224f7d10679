/* What is counted of codes of one byte, once; rows_body.h includes this.
 *
 * With HAS_COUNTS a file rows_<isa>.c must define set_bytes (one byte in every lane of B),
 * count_equal (adds 1 to each lane of `counts` where `codes` has `code`) and sum_bytes (the sum of
 * all lanes). With TABLE_PARTS, how many parts a Table has that are looked up one at a time, also
 * part_of (in the lanes that hold a code of part k its entry, in all others 0). sum_of_bytes adds
 * lane by lane.
 */

#ifdef HAS_COUNTS
/* m is constant where this is inlined, so that both arrays are registers. */
static ALWAYS_INLINE void count_some(const uint8_t *src, size_t n, const uint8_t *codes, size_t m,
                                     uint32_t *counts)
{
    B code[4], count[4];
    for (size_t k = 0; k < m; ++k) {
        code[k] = set_bytes(codes[k]);
        count[k] = set_bytes(0);
    }
    for (size_t i = 0; i < n; i += sizeof(B)) {
        const B x = get_bytes(src + i);
        for (size_t k = 0; k < m; ++k)
            count[k] = count_equal(count[k], x, code[k]);
    }
    for (size_t k = 0; k < m; ++k)
        counts[k] += sum_bytes(count[k]);
}

static void count_codes(const uint8_t *src, size_t n, const uint8_t *codes, size_t n_codes,
                        uint32_t *counts)
{
    enum { MOST = 252 * sizeof(B) }; /* a lane counts to 255 */
    for (size_t i = 0, m; i < n; i += m) {
        size_t k = 0;
        m = n - i < MOST ? n - i : MOST;
        for (; k + 4 <= n_codes; k += 4)
            count_some(src + i, m, codes + k, 4, counts + k);
        if (n_codes - k == 3)
            count_some(src + i, m, codes + k, 3, counts + k);
        else if (n_codes - k == 2)
            count_some(src + i, m, codes + k, 2, counts + k);
        else if (n_codes - k == 1)
            count_some(src + i, m, codes + k, 1, counts + k);
    }
}

#ifdef TABLE_PARTS
/* Classes of labels are mostly a few small codes and one class for all others: only parts of the
 * table that differ from `rest` are looked up. */
typedef struct {
    Table table;
    B rest;
    int parts[TABLE_PARTS];
    int n;
} Classes;

static inline Classes load_classes(const uint8_t *entries)
{
    enum { PART = 256 / TABLE_PARTS };
    uint8_t differences[256];
    const uint8_t rest = entries[128];
    Classes classes;
    classes.n = 0;
    for (int k = 0; k < TABLE_PARTS; ++k) {
        int differs = 0;
        for (int j = k * PART; j < (k + 1) * PART; ++j) {
            differences[j] = (uint8_t)(entries[j] - rest);
            differs |= differences[j];
        }
        if (differs)
            classes.parts[classes.n++] = k;
    }
    classes.table = load_table(differences);
    classes.rest = set_bytes(rest);
    return classes;
}

static inline B look_up_classes(const Classes *classes, B codes)
{
    B found = classes->rest;
    for (int k = 0; k < classes->n; ++k)
        found = sum_of_bytes(found, part_of(&classes->table, classes->parts[k], codes));
    return found;
}
#else
typedef Table Classes;
static inline Classes load_classes(const uint8_t *entries) { return load_table(entries); }
static inline B look_up_classes(const Classes *classes, B codes) { return look_up(*classes, codes); }
#endif

static void join(const uint8_t *one, const uint8_t *other, uint8_t *dst, size_t n,
                 const uint8_t *tables)
{
    const Classes first = load_classes(tables), second = load_classes(tables + 256);
    size_t i = 0;
    for (; i + sizeof(B) <= n; i += sizeof(B))
        put_bytes(dst + i, sum_of_bytes(look_up_classes(&first, get_bytes(one + i)),
                                        look_up_classes(&second, get_bytes(other + i))));
    for (; i < n; ++i)
        dst[i] = (uint8_t)(tables[one[i]] + tables[256 + other[i]]);
}
#define COUNTS count_codes, join
#else
#define COUNTS NULL, NULL
#endif
