/*
 * protocol - the numbers of the milter protocol, versions 2 to 6. Words first,
 * the name in libmilter's headers (mfdef.h, mfapi.h) behind, so that grep finds it.
 */
#ifndef DAEMON_WIRE_PROTOCOL_H
#define DAEMON_WIRE_PROTOCOL_H

enum { PROTOCOL_VERSION_MIN = 2, PROTOCOL_VERSION_MAX = 6 };

/* Mail server to filter. */
enum wire_command {
    COMMAND_NEGOTIATE = 'O', /* SMFIC_OPTNEG */
    COMMAND_MACROS = 'D',    /* SMFIC_MACRO */
    COMMAND_CONNECT = 'C',   /* SMFIC_CONNECT */
    COMMAND_HELO = 'H',      /* SMFIC_HELO */
    COMMAND_MAIL = 'M',      /* SMFIC_MAIL */
    COMMAND_RCPT = 'R',      /* SMFIC_RCPT */
    COMMAND_DATA = 'T',      /* SMFIC_DATA */
    COMMAND_UNKNOWN = 'U',   /* SMFIC_UNKNOWN */
    COMMAND_HEADER = 'L',    /* SMFIC_HEADER */
    COMMAND_EOH = 'N',       /* SMFIC_EOH */
    COMMAND_BODY = 'B',      /* SMFIC_BODY */
    COMMAND_EOM = 'E',       /* SMFIC_BODYEOB */
    COMMAND_ABORT = 'A',     /* SMFIC_ABORT */
    COMMAND_QUIT = 'Q',      /* SMFIC_QUIT */
    COMMAND_QUIT_NEW = 'K',  /* SMFIC_QUIT_NC */
};

/* Filter to mail server. */
enum wire_reply {
    REPLY_NEGOTIATE = 'O',
    REPLY_CONTINUE = 'c',      /* SMFIR_CONTINUE */
    REPLY_ACCEPT = 'a',        /* SMFIR_ACCEPT */
    REPLY_REJECT = 'r',        /* SMFIR_REJECT */
    REPLY_TEMPFAIL = 't',      /* SMFIR_TEMPFAIL */
    REPLY_DISCARD = 'd',       /* SMFIR_DISCARD */
    REPLY_CODE = 'y',          /* SMFIR_REPLYCODE */
    REPLY_SKIP = 's',          /* SMFIR_SKIP */
    REPLY_PROGRESS = 'p',      /* SMFIR_PROGRESS */
    REPLY_CONN_FAIL = 'f',     /* SMFIR_CONN_FAIL */
    REPLY_SHUTDOWN = '4',      /* SMFIR_SHUTDOWN */
    REPLY_ADD_HEADER = 'h',    /* SMFIR_ADDHEADER */
    REPLY_INSERT_HEADER = 'i', /* SMFIR_INSHEADER */
    REPLY_CHANGE_HEADER = 'm', /* SMFIR_CHGHEADER */
    REPLY_ADD_RCPT = '+',      /* SMFIR_ADDRCPT */
    REPLY_ADD_RCPT_ARGS = '2', /* SMFIR_ADDRCPT_PAR */
    REPLY_DELETE_RCPT = '-',   /* SMFIR_DELRCPT */
    REPLY_CHANGE_SENDER = 'e', /* SMFIR_CHGFROM */
    REPLY_REPLACE_BODY = 'b',  /* SMFIR_REPLBODY */
    REPLY_QUARANTINE = 'q',    /* SMFIR_QUARANTINE */
};

/* Negotiated actions, SMFIF_. The public enum milter_action has the same numbers. */
enum wire_action {
    ACTION_ADD_HEADERS = 0x01,    /* SMFIF_ADDHDRS */
    ACTION_REPLACE_BODY = 0x02,   /* SMFIF_CHGBODY */
    ACTION_ADD_RCPT = 0x04,       /* SMFIF_ADDRCPT */
    ACTION_DELETE_RCPT = 0x08,    /* SMFIF_DELRCPT */
    ACTION_CHANGE_HEADERS = 0x10, /* SMFIF_CHGHDRS */
    ACTION_QUARANTINE = 0x20,     /* SMFIF_QUARANTINE */
    ACTION_CHANGE_SENDER = 0x40,  /* SMFIF_CHGFROM */
    ACTION_ADD_RCPT_ARGS = 0x80,  /* SMFIF_ADDRCPT_PAR */
    ACTION_SET_MACROS = 0x100,    /* SMFIF_SETSYMLIST */
};

/* Negotiated protocol bits, SMFIP_. */
enum wire_protocol {
    PROTOCOL_NO_CONNECT = 0x01,        /* SMFIP_NOCONNECT */
    PROTOCOL_NO_HELO = 0x02,           /* SMFIP_NOHELO */
    PROTOCOL_NO_MAIL = 0x04,           /* SMFIP_NOMAIL */
    PROTOCOL_NO_RCPT = 0x08,           /* SMFIP_NORCPT */
    PROTOCOL_NO_BODY = 0x10,           /* SMFIP_NOBODY */
    PROTOCOL_NO_HEADERS = 0x20,        /* SMFIP_NOHDRS */
    PROTOCOL_NO_EOH = 0x40,            /* SMFIP_NOEOH */
    PROTOCOL_NR_HEADER = 0x80,         /* SMFIP_NR_HDR */
    PROTOCOL_NO_UNKNOWN = 0x100,       /* SMFIP_NOUNKNOWN */
    PROTOCOL_NO_DATA = 0x200,          /* SMFIP_NODATA */
    PROTOCOL_SKIP = 0x400,             /* SMFIP_SKIP */
    PROTOCOL_REJECTED_RCPTS = 0x800,   /* SMFIP_RCPT_REJ */
    PROTOCOL_NR_CONNECT = 0x1000,      /* SMFIP_NR_CONN */
    PROTOCOL_NR_HELO = 0x2000,         /* SMFIP_NR_HELO */
    PROTOCOL_NR_MAIL = 0x4000,         /* SMFIP_NR_MAIL */
    PROTOCOL_NR_RCPT = 0x8000,         /* SMFIP_NR_RCPT */
    PROTOCOL_NR_DATA = 0x10000,        /* SMFIP_NR_DATA */
    PROTOCOL_NR_UNKNOWN = 0x20000,     /* SMFIP_NR_UNKN */
    PROTOCOL_NR_EOH = 0x40000,         /* SMFIP_NR_EOH */
    PROTOCOL_NR_BODY = 0x80000,        /* SMFIP_NR_BODY */
    PROTOCOL_LEADING_SPACE = 0x100000, /* SMFIP_HDR_LEADSPC */
    PROTOCOL_DATA_256K = 0x10000000,   /* SMFIP_MDS_256K */
    PROTOCOL_DATA_1M = 0x20000000,     /* SMFIP_MDS_1M */
};

/* Stages of macro lists in the negotiation, SMFIM_. */
enum wire_stage {
    STAGE_CONNECT = 0, /* SMFIM_CONNECT */
    STAGE_HELO = 1,    /* SMFIM_HELO */
    STAGE_MAIL = 2,    /* SMFIM_ENVFROM */
    STAGE_RCPT = 3,    /* SMFIM_ENVRCPT */
    STAGE_DATA = 4,    /* SMFIM_DATA */
    STAGE_EOM = 5,     /* SMFIM_EOM */
    STAGE_EOH = 6,     /* SMFIM_EOH */
    STAGES = 7,
};

#endif
