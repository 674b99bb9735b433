<!--#include file="conn.asp"-->
